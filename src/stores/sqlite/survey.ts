import { Worker } from "node:worker_threads";
import type { BlobSurvey, TreeSurvey } from "../../core/log-image.js";
import { damagedBy, guarded } from "./damage.js";
import { type Connection, isDamageCode } from "./database.js";
import { integrityFaults, surveyBlobs } from "./file-survey.js";
import type { FromSurvey, Survey, ToSurvey } from "./survey-protocol.js";

/** What is found by reading a whole file, whatever the events say. */
export interface FileSurvey {
  /** Whether it goes on beside the calling thread. */
  readonly isBeside: boolean;
  /** What SQLite itself finds wrong, the first hundred. */
  integrity(): Promise<readonly string[]>;
  blobs(): Promise<BlobSurvey>;
  /** Undefined where nothing is read beside the calling thread. */
  tree(sizes: readonly number[]): Promise<TreeSurvey | undefined>;
  /** Nobody waits for it any longer. */
  stop(): void;
}

/** Reads it on the calling thread, when it is asked for. */
export function surveyHere(db: Connection): FileSurvey {
  return {
    isBeside: false,
    integrity: async () => guarded(() => integrityFaults(db)),
    blobs: async () => guarded(() => surveyBlobs(db)),
    tree: async () => undefined,
    stop: () => undefined,
  };
}

/**
 * Reads it on a thread of its own, which sees the database as it is at the moment of `begin`. Where that thread
 * cannot work, or ends before it has said everything, the calling thread reads it all the same.
 */
export class SurveyThread implements FileSurvey {
  readonly isBeside = true;
  readonly #worker: Worker;
  readonly #here: FileSurvey;
  readonly #said = new Map<FromSurvey["kind"], (message: FromSurvey | undefined) => void>();
  readonly #heard = new Map<FromSurvey["kind"], FromSurvey>();
  #over = false;

  constructor(path: string, db: Connection) {
    this.#here = surveyHere(db);
    this.#worker = new Worker(new URL("./survey-worker.js", import.meta.url), {
      workerData: path,
      env: {},
      argv: [],
      execArgv: [],
    });
    this.#worker.on("message", (message: FromSurvey) => this.#hear(message));
    // What it could not do is done on the calling thread, which meets the same failure if it is one of the file.
    this.#worker.on("error", () => this.#end());
    this.#worker.on("exit", () => this.#end());
  }

  /** Has it look at the database as it is now; false when it cannot. */
  async begin(): Promise<boolean> {
    if ((await this.#next("ready")) === undefined) return false;
    this.#heard.delete("begun");
    this.#tell({ kind: "begin" });
    return (await this.#next("begun")) !== undefined;
  }

  /** Has it read the file. */
  start(): void {
    this.#tell({ kind: "survey" });
  }

  async integrity(): Promise<readonly string[]> {
    const message = await this.#next("integrity");
    return message?.kind === "integrity" ? foundIn(message.survey) : this.#here.integrity();
  }

  async blobs(): Promise<BlobSurvey> {
    const message = await this.#next("blobs");
    return message?.kind === "blobs" ? foundIn(message.survey) : this.#here.blobs();
  }

  async tree(sizes: readonly number[]): Promise<TreeSurvey | undefined> {
    this.#tell({ kind: "tree", sizes });
    const message = await this.#next("tree");
    return message?.kind === "tree" ? foundIn(message.survey) : undefined;
  }

  stop(): void {
    this.#end();
    void this.#worker.terminate();
  }

  #tell(message: ToSurvey): void {
    if (!this.#over) this.#worker.postMessage(message);
  }

  #next(kind: FromSurvey["kind"]): Promise<FromSurvey | undefined> {
    const heard = this.#heard.get(kind);
    if (heard !== undefined || this.#over) return Promise.resolve(heard);
    return new Promise((resolve) => this.#said.set(kind, resolve));
  }

  #hear(message: FromSurvey): void {
    this.#heard.set(message.kind, message);
    this.#said.get(message.kind)?.(message);
    this.#said.delete(message.kind);
  }

  #end(): void {
    this.#over = true;
    for (const resolve of this.#said.values()) resolve(undefined);
    this.#said.clear();
  }
}

/** @throws StoreError `database_damaged`; Error for a failure that says nothing about the file. */
function foundIn<T>(survey: Survey<T>): T {
  if ("found" in survey) return survey.found;
  const { code, message } = survey.failed;
  const error = new Error(message);
  throw code !== undefined && isDamageCode(code) ? damagedBy(error) : error;
}
