import { beforeAll, describe, expect, it } from "vitest";
import { type AuditEvent, coreEvents } from "../../src/model/event.js";
import type { JsonObject } from "../../src/model/json.js";
import { knownEvents } from "../../src/model/proof/event-shape.js";
import { grammarChecker } from "../../src/model/proof/grammar.js";
import { livelyLog } from "./fixtures/lively-log.js";
import { refusal } from "./fixtures/refusal.js";
import { authorized, requested, SmallLog } from "./fixtures/small-log.js";

function check(events: readonly JsonObject[]): number {
  const grammar = grammarChecker();
  for (const event of events) grammar.check(event);
  return grammar.seq;
}

/** What somebody who holds the key can do: numbers and what refers to them made to fit. */
const renumbered = (events: readonly AuditEvent[]): AuditEvent[] =>
  events.map((event, i) => ({ ...event, seq: i + 1, ...("state_seq" in event ? { state_seq: i } : {}) }));

describe("the log of a pipeline that did everything", () => {
  let events: readonly AuditEvent[];
  beforeAll(async () => {
    events = await livelyLog();
  });

  it("is a log, event by event, late results of abandoned actions included", () => {
    expect(check(events)).toBe(events.length);
    const late = events.filter((event, i) => {
      const before = events.slice(0, i);
      const ends = (other: AuditEvent) =>
        other.event === "step_execution_completed" && other["request_id"] === event["request_id"];
      return event.event === "effect_denied" && before.some(ends);
    });
    expect(late.map((event) => event["effect"])).toContain("result");
  });

  it("holds every type of event that a pipeline alone writes, cancelling and recovery aside", () => {
    const seen = new Set(events.map(({ event }) => event));
    expect(coreEvents.filter((type) => !seen.has(type)).sort()).toEqual([
      // Upkeep, by the command line: tests/audit/erase and rotate-key; recovery: tests/crash.
      "blob_erased",
      "key_rotated",
      // Tools of MCP servers: tests/gateway.
      "mcp_listed",
      "mcp_pin_accepted",
      "mcp_tool_pinned",
      "mcp_tool_withheld",
      "run_cancelled",
      "step_outcome_unknown",
      "step_retry_accepted",
    ]);
    expect(coreEvents.filter((type) => !knownEvents.includes(type))).toEqual([]);
  });

  it("is refused where one event was taken out, put in twice, or changed places", () => {
    for (let i = 0; i < events.length - 1; i++) {
      const event = events[i] as AuditEvent;
      const next = events[i + 1] as AuditEvent;
      const wrong = [
        { log: events.toSpliced(i, 1), at: i + 1 },
        { log: events.toSpliced(i, 0, event), at: i + 2 },
        { log: events.toSpliced(i, 2, next, event), at: i + 1 },
      ];
      for (const { log, at } of wrong) expect(refusal(() => check(log), "wrong_order").seq).toBe(at);
    }
  });

  it("is refused without what later events rest on, even when everything was renumbered to fit", () => {
    const basis = [
      "step_execution_requested",
      "step_execution_authorized",
      "effect_attempted",
      "run_started",
      "agent_suspended",
    ];
    let tried = 0;
    events.forEach((event, i) => {
      if (!basis.includes(event.event)) return;
      refusal(() => check(renumbered(events.toSpliced(i, 1))), "wrong_order");
      tried++;
    });
    expect(tried).toBeGreaterThan(60);
    const made = events.findIndex(({ event }) => event === "binding_created");
    refusal(() => check(renumbered(events.toSpliced(made, 1))), "wrong_order");
    expect(check(renumbered(events))).toBe(events.length);
  });

  it("is refused when any member that its type has is missing", () => {
    for (const type of new Set(events.map(({ event }) => event))) {
      const i = events.findIndex(({ event }) => event === type);
      const event = events[i] as AuditEvent;
      const optional = [
        "scope",
        "expires_at",
        "policy",
        "policy_key",
        "supersedes",
        "reason",
        "capability_scope",
        "code",
      ];
      const commitments = [
        "output_commitment",
        "output_seq",
        "late_output_commitment",
        "request_commitment",
        "answer_commitment",
        "contract_id",
        "parent_id",
        "abandoned",
        "writer",
        "working_folder",
        ...(type === "effect_denied" ? ["capabilities"] : []),
        "request_id",
      ];
      for (const member of Object.keys(event)) {
        const free = type.startsWith("x_")
          ? !["event", "id", "seq", "timestamp", "protocol_version"].includes(member)
          : false;
        const guards = type === "capability_checked" || type === "capability_denied";
        if (free || guards || optional.includes(member) || commitments.includes(member)) continue;
        const rest = Object.fromEntries(Object.entries(event).filter(([name]) => name !== member));
        const error = refusal(() => check(events.with(i, rest as AuditEvent)), "malformed_entry");
        expect(error.seq).toBe(i + 1);
      }
    }
  });
});

describe("numbers, time and form", () => {
  const log = () => new SmallLog().contract("c").binding("b");

  it("count from 1 without gaps", () => {
    expect(check([])).toBe(0);
    expect(check(log().events)).toBe(2);
    expect(refusal(() => check(log().events.slice(1)), "wrong_order").seq).toBe(1);
    expect(refusal(() => check(log().add("x_a", { seq: 4 }).events), "wrong_order").seq).toBe(3);
    expect(refusal(() => check(log().add("x_a", { seq: 2 }).events), "wrong_order").seq).toBe(3);
  });

  it("never go back in time (D8)", () => {
    expect(check(log().wait(5).add("x_a").add("x_a").events)).toBe(4);
    expect(refusal(() => check(log().wait(-1).add("x_a").events), "wrong_order").seq).toBe(3);
  });

  it("are in one spelling", () => {
    const times = [
      "2026-01-01T00:00:00Z",
      "2026-01-01t00:00:00.000Z",
      "2026-02-30T00:00:00.000Z",
      "2026-01-01T24:00:00.000Z",
      "2026-01-01T00:00:00.000+00:00",
      "",
      0,
      null,
    ];
    for (const timestamp of times)
      refusal(() => check(log().add("x_a", { timestamp }).events), "malformed_entry");
    for (const seq of ["3", 3.5, 0, -1, null])
      refusal(() => check(log().add("x_a", { seq }).events), "malformed_entry");
    for (const protocol_version of ["2.0", 1, "", null])
      refusal(() => check(log().add("x_a", { protocol_version }).events), "malformed_entry");
    for (const id of ["", 7, null]) refusal(() => check(log().add("x_a", { id }).events), "malformed_entry");
  });

  it("let outsiders add what begins with x_ and nothing else (E3)", () => {
    expect(check(log().add("x_anything", { binding_id: 7, request_id: {} }).events)).toBe(3);
    for (const type of [
      "x_",
      "X_a",
      "x_A",
      "anything",
      "toString",
      "__proto__",
      "step_execution_approved",
      "",
      7,
      null,
    ]) {
      expect(refusal(() => check(log().add(type as string).events), "malformed_entry").seq).toBe(3);
    }
  });

  it("hold members of the type they should have", () => {
    const wrong: readonly (readonly [string, unknown])[] = [
      ["capability", 7],
      ["constraints", []],
      ["constraints", null],
      ["delegable", "true"],
      ["expires_at", "tomorrow"],
      ["issued_by", ""],
      ["supersedes", 1],
    ];
    for (const [member, value] of wrong) {
      refusal(() => check(new SmallLog().contract("c", { [member]: value }).events), "malformed_entry");
    }
    for (const charged of [null, {}, [{}], [{ id: "" }], [{ id: "b", per_ms: 0 }], ["b"]]) {
      refusal(() => check(requested().authorize("evt_3", { charged }).events), "malformed_entry");
    }
    refusal(() => check(requested().authorize("evt_3", { binding_ids: "b" }).events), "malformed_entry");
    refusal(() => check(authorized().complete("evt_3", { result: "denied" }).events), "malformed_entry");
    refusal(
      () => check(authorized().complete("evt_3", { output_commitment: "x" }).events),
      "malformed_entry",
    );
  });
});

describe("requests", () => {
  it("are decided, act, and end", () => {
    const log = authorized()
      .effect("effect_attempted", "evt_3", 1)
      .effect("effect_denied", "evt_3", 2)
      .effect("effect_performed", "evt_3", 1)
      .complete("evt_3");
    expect(check(log.events)).toBe(8);
    expect(check(requested().deny("evt_3").events)).toBe(4);
    expect(
      check(
        new SmallLog().contract("c").binding("b").checkGuarded("req_1").executed("req_1").denyGuarded("req_2")
          .events,
      ),
    ).toBe(5);
  });

  const attacks: readonly (readonly [string, SmallLog])[] = [
    ["authorised without having been made", new SmallLog().contract("c").binding("b").authorize("evt_9")],
    ["denied without having been made", new SmallLog().deny("evt_9")],
    ["authorised twice", authorized().authorize("evt_3")],
    ["authorised after they were denied", requested().deny("evt_3").authorize("evt_3")],
    ["denied after they were authorised", authorized().deny("evt_3")],
    ["denied twice", requested().deny("evt_3").deny("evt_3")],
    ["ended before they were decided", requested().complete("evt_3")],
    ["ended after they were denied", requested().deny("evt_3").complete("evt_3")],
    ["ended twice", authorized().complete("evt_3").complete("evt_3", { result: "failure" })],
    ["ended without having been made", new SmallLog().complete("evt_9")],
    ["ended under another binding", authorized().complete("evt_3", { binding_id: "other" })],
    ["ended for another agent", authorized().complete("evt_3", { agent_id: "mallory" })],
    ["ended for another step", authorized().complete("evt_3", { step_id: "other" })],
    ["authorised for another agent", requested().authorize("evt_3", { agent_id: "mallory" })],
    ["authorised for another run", requested().authorize("evt_3", { run_id: "run_1" })],
    ["decided on another state than the one before", requested().authorize("evt_3", { state_seq: 2 })],
    ["denied on another state than the one before", requested().deny("evt_3", { state_seq: 4 })],
    [
      "authorised with a first binding that is not the first",
      requested().authorize("evt_3", { binding_id: "other" }),
    ],
    [
      "authorised and charged to what does not exist",
      requested().authorize("evt_3", { charged: [{ id: "none" }] }),
    ],
    ["step requests ended as checks", authorized().executed("evt_3")],
    [
      "checks ended as steps",
      new SmallLog().contract("c").binding("b").checkGuarded("req_1").complete("req_1"),
    ],
    [
      "checked twice under one id",
      new SmallLog().contract("c").binding("b").checkGuarded("req_1").checkGuarded("req_1"),
    ],
    [
      "denied under an id that was checked",
      new SmallLog().contract("c").binding("b").checkGuarded("req_1").denyGuarded("req_1"),
    ],
    [
      "unknown in outcome before they were authorised",
      requested().add("step_outcome_unknown", { request_id: "evt_3" }),
    ],
    [
      "unknown in outcome after they ended",
      authorized().complete("evt_3").add("step_outcome_unknown", { request_id: "evt_3" }),
    ],
    [
      "unknown in outcome twice",
      authorized()
        .add("step_outcome_unknown", { request_id: "evt_3" })
        .add("step_outcome_unknown", { request_id: "evt_3" }),
    ],
    [
      "unknown in outcome without having been made",
      new SmallLog().add("step_outcome_unknown", { request_id: "evt_9" }),
    ],
    [
      "ended after their outcome was given up",
      authorized().add("step_outcome_unknown", { request_id: "evt_3" }).complete("evt_3"),
    ],
    ["acting before they were decided", requested().effect("effect_attempted", "evt_3", 1)],
    ["acting after they were denied", requested().deny("evt_3").effect("effect_attempted", "evt_3", 1)],
    [
      "refused an effect after they were denied",
      requested().deny("evt_3").effect("effect_denied", "evt_3", 1),
    ],
    ["acting after they ended", authorized().complete("evt_3").effect("effect_attempted", "evt_3", 1)],
    ["made again under the id of one that ended", authorized().complete("evt_3").request({ id: "evt_3" })],
    ["made again under the id of one that was denied", requested().deny("evt_3").request({ id: "evt_3" })],
    [
      "performing what was never attempted, after they ended",
      authorized().complete("evt_3").effect("effect_performed", "evt_3", 1),
    ],
    [
      "answering after they ended what was answered before",
      authorized()
        .effect("effect_attempted", "evt_3", 1)
        .effect("effect_performed", "evt_3", 1)
        .complete("evt_3")
        .effect("effect_denied", "evt_3", 1),
    ],
    [
      "refused the same late use twice",
      authorized().complete("evt_3").effect("effect_denied", "evt_3", 1).effect("effect_denied", "evt_3", 1),
    ],
    [
      "refused the same late use twice, the uses before it being open",
      authorized().complete("evt_3").effect("effect_denied", "evt_3", 3).effect("effect_denied", "evt_3", 3),
    ],
    [
      "refused a late use of another step",
      authorized().complete("evt_3").effect("effect_denied", "evt_3", 1, { step_id: "other" }),
    ],
    [
      "unknown in outcome after they were denied",
      requested().deny("evt_3").add("step_outcome_unknown", { request_id: "evt_3" }),
    ],
    ["performing what was never attempted", authorized().effect("effect_performed", "evt_3", 1)],
    [
      "attempting twice",
      authorized().effect("effect_attempted", "evt_3", 1).effect("effect_attempted", "evt_3", 1),
    ],
    [
      "performing twice",
      authorized()
        .effect("effect_attempted", "evt_3", 1)
        .effect("effect_performed", "evt_3", 1)
        .effect("effect_performed", "evt_3", 1),
    ],
    [
      "performing what was refused",
      authorized().effect("effect_denied", "evt_3", 1).effect("effect_performed", "evt_3", 1),
    ],
    [
      "acting for another agent",
      authorized().effect("effect_attempted", "evt_3", 1, { agent_id: "mallory" }),
    ],
    ["acting without having been made", new SmallLog().effect("effect_attempted", "evt_9", 1)],
    ["in a run that ends without having been started", new SmallLog().add("run_completed", runEnd("run_1"))],
    [
      "in a run that is resumed without having been started",
      new SmallLog().add("run_started", { ...runStart("run_1"), resumes: true }),
    ],
    [
      "decided about in a run that was never started",
      new SmallLog().add("step_retry_accepted", {
        run_id: "run_1",
        step_id: "s",
        by: "o",
        decision: "retry",
      }),
    ],
    [
      "in a run that was started twice",
      new SmallLog().add("run_started", runStart("run_1")).add("run_started", runStart("run_1")),
    ],
  ];

  it.each(attacks)("are refused when %s", (_, log) => {
    expect(refusal(() => check(log.events), "wrong_order").seq).toBe(log.events.length);
    expect(check(log.events.slice(0, -1))).toBe(log.events.length - 1);
  });

  it("may be in a run that is resumed, and be decided about", () => {
    const resumed = new SmallLog()
      .add("run_started", runStart("run_1"))
      .add("step_retry_accepted", { run_id: "run_1", step_id: "s", by: "o", decision: "retry" })
      .add("run_started", { ...runStart("run_1"), resumes: true })
      .add("run_completed", runEnd("run_1"));
    expect(check(resumed.events)).toBe(4);
  });

  it("may have a late result or a late use refused after they ended, and an attempt answered", () => {
    const late = authorized()
      .effect("effect_attempted", "evt_3", 1)
      .complete("evt_3", { result: "failure", code: "deadline_exceeded", abandoned: true })
      .effect("effect_denied", "evt_3", 1)
      .effect("effect_denied", "evt_3", 2, { effect: "result" });
    expect(check(late.events)).toBe(8);
    const outOfTurn = authorized().complete("evt_3");
    for (const n of [3, 1, 2, 4]) outOfTurn.effect("effect_denied", "evt_3", n);
    expect(check(outOfTurn.events)).toBe(9);
    expect(
      check(
        new SmallLog().add("run_started", runStart("run_1")).add("run_cancelled", runEnd("run_1")).events,
      ),
    ).toBe(2);
  });
});

describe("authority", () => {
  const base = () => new SmallLog().contract("c").binding("b");
  const attacks: readonly (readonly [string, SmallLog])[] = [
    ["made under a contract that does not exist", new SmallLog().binding("b")],
    [
      "made under a binding that does not exist",
      new SmallLog().contract("c").binding("b", { parent_id: "none" }),
    ],
    ["made under a binding named as a contract", base().binding("b2", { contract_id: "b" })],
    ["made under a contract named as a parent", base().binding("b2", { parent_id: "c" })],
    ["made under both", base().binding("b2", { parent_id: "b", contract_id: "c" })],
    ["made under neither", base().binding("b2", { contract_id: undefined })],
    ["made twice under one id", base().binding("b")],
    ["contract made under the id of a binding", base().contract("b")],
    ["made under a revoked contract", new SmallLog().contract("c").revokeContract("c").binding("b")],
    [
      "made under a binding whose contract is revoked",
      base().revokeContract("c").binding("b2", { parent_id: "b" }),
    ],
    [
      "made under an expired contract",
      new SmallLog().contract("c", { expires_at: "2026-01-01T00:00:10.000Z" }).wait(10).binding("b"),
    ],
    [
      "made under a contract of other agents",
      new SmallLog().contract("c", { issued_to: "x-*" }).binding("b"),
    ],
    [
      "delegated from a contract that cannot be",
      new SmallLog().contract("c", { delegable: false }).binding("b").binding("b2", { parent_id: "b" }),
    ],
    [
      "delegated from a binding that cannot be",
      new SmallLog().contract("c").binding("b", { delegable: false }).binding("b2", { parent_id: "b" }),
    ],
    ["superseding what does not exist", base().binding("b2", { supersedes: "none" })],
    ["revoked without having been made", base().revokeContract("none")],
    ["revoked as another kind", base().revokeContract("b")],
    ["revoked twice", base().revokeBinding("b").revokeBinding("b")],
    ["suspended twice", base().suspend("a").suspend("a")],
    ["unsuspended without suspension", base().suspend("a", false)],
    ["used after its binding was revoked (D7)", base().request().revokeBinding("b").authorize("evt_3")],
    ["used after its contract was revoked (A3)", base().request().revokeContract("c").authorize("evt_3")],
    [
      "used after it expired",
      new SmallLog()
        .contract("c")
        .binding("b", { expires_at: "2026-01-01T00:00:10.000Z" })
        .request()
        .wait(10)
        .authorize("evt_3"),
    ],
    [
      "used after a link above it expired",
      new SmallLog()
        .contract("c", { expires_at: "2026-01-01T00:00:10.000Z" })
        .binding("b")
        .request()
        .wait(11)
        .authorize("evt_3"),
    ],
    ["used by a suspended agent (A7)", base().request().suspend("a").authorize("evt_3")],
    [
      "used by another agent",
      new SmallLog().contract("c").binding("b", { agent_id: "other" }).request().authorize("evt_3"),
    ],
    [
      "used without having been made",
      requested().authorize("evt_3", { binding_id: "none", binding_ids: ["none"] }),
    ],
    [
      "used in part after it was revoked (A5)",
      base()
        .binding("b2")
        .request()
        .revokeBinding("b2")
        .authorize("evt_4", { binding_ids: ["b", "b2"] }),
    ],
    ["found by a check after it was revoked", base().revokeBinding("b").add("capability_checked", checked)],
    ["given a success after it was revoked (D7)", authorized().revokeContract("c").complete("evt_3")],
    ["given a success after its agent was suspended", authorized().suspend("a").complete("evt_3")],
  ];

  it.each(attacks)("is refused when %s", (_, log) => {
    const error = refusal(() => check(log.events), "wrong_order");
    expect(error.seq).toBe(log.events.length);
    expect(error.message).toMatch(new RegExp(`^event ${log.events.length} \\(\``));
    expect(check(log.events.slice(0, -1))).toBe(log.events.length - 1);
  });

  it("lets a fenced step end as a failure, and an agent act again after its suspension", () => {
    expect(
      check(
        authorized()
          .revokeContract("c")
          .complete("evt_3", { result: "failure", code: "revoked_while_running" }).events,
      ),
    ).toBe(6);
    expect(check(base().suspend("a").suspend("a", false).request().authorize("evt_5").events)).toBe(6);
    expect(
      check(base().revokeBinding("b").revokeContract("c").contract("c2", { supersedes: "c" }).events),
    ).toBe(5);
    expect(check(base().add("capability_checked", checked).events)).toBe(3);
    expect(
      check(
        new SmallLog()
          .contract("c", { issued_to: "a*" })
          .binding("b", { expires_at: "2026-01-01T00:00:10.000Z" })
          .request()
          .wait(9.999)
          .authorize("evt_3").events,
      ),
    ).toBe(4);
  });

  it("has chains of 16 links and no longer ones (A2)", () => {
    const chain = new SmallLog().contract("c").binding("b0");
    for (let depth = 1; depth < 15; depth++) chain.binding(`b${depth}`, { parent_id: `b${depth - 1}` });
    const { length } = chain.events;
    expect(check(chain.events)).toBe(length);
    refusal(() => check(chain.binding("b15", { parent_id: "b14" }).events), "wrong_order");
  });
});

const checked = {
  agent_id: "a",
  workflow_id: "w",
  step_id: "s",
  capability: "memory:write:k",
  binding_id: "b",
};

function runStart(id: string) {
  const commitment = "0".repeat(64);
  return {
    run_id: id,
    workflow_id: "w",
    definition_commitment: commitment,
    inputs_commitment: commitment,
    seed: 0,
    steps: 1,
  };
}

function runEnd(id: string) {
  return { run_id: id, workflow_id: "w", status: "succeeded", counts: {}, report_commitment: "0".repeat(64) };
}
