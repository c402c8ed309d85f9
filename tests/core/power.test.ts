import { describe, expect, test } from "vitest";
import { type Power, powersFor, reaches } from "../../src/core/power.js";
import { parseCapability, parseRequirement } from "../../src/model/capability/index.js";
import type { EffectDeniedError } from "../../src/model/errors.js";
import { startMs, World } from "../model/fixtures/world.js";

/*
 * What a step was authorised to do lies within its ceiling and its chain already, so the second look at both when a
 * handle is used can refuse nothing that the first one let through. It is there for the day on which the first one is
 * wrong: so it is asked here by itself, about powers that no decision gives.
 */

function powerOf(more: Partial<Power>, except: readonly string[] = []): Power {
  const world = new World();
  world.issue("fs:read:/srv/**");
  const binding = world.bind("agent", "fs:read:/srv/**", { constraints: { except: [...except] } });
  const requirement = parseRequirement("fs:read:/srv/a/b");
  return { requirement, ceiling: [requirement], binding, paramsOnUse: undefined, ...more };
}

const use = (capability: string) => ({ kind: "fs.read", capabilities: [capability], request: {} });
const codeOf = (power: Power, capability: string): string => {
  try {
    return powersFor([power], use(capability), startMs).length === 1 ? "admitted" : "none";
  } catch (error) {
    return (error as EffectDeniedError).code;
  }
};

describe("a use of a handle", () => {
  test("is admitted when requirement, ceiling and chain all cover it", () => {
    expect(codeOf(powerOf({}), "fs:read:/srv/a/b")).toBe("admitted");
  });

  test("is refused outside the ceiling, whatever the requirement says", () => {
    const power = powerOf({ ceiling: [parseCapability("fs:read:/srv/other/**")] });
    expect(codeOf(power, "fs:read:/srv/a/b")).toBe("outside_authority");
  });

  test("is refused outside the binding, whatever requirement and ceiling say", () => {
    const requirement = parseRequirement("fs:read:/etc/passwd");
    const power = powerOf({ requirement, ceiling: [requirement] });
    expect(codeOf(power, "fs:read:/etc/passwd")).toBe("outside_authority");
  });

  test("is refused inside an exception, whatever requirement and ceiling say", () => {
    const power = powerOf({}, ["/srv/a/**"]);
    expect(codeOf(power, "fs:read:/srv/a/b")).toBe("outside_authority");
    expect(reaches(power, parseCapability("fs:read:/srv/c"))).toBe(false);
  });
});
