/** Policies and workflows of the command line's tests. */

export const policy = `version: 1
name: notes
contracts:
  notes: { capability: "memory:write:notes/**" }
  look: { capability: "memory:read:notes/**" }
agents:
  scribe: ["memory:write:notes/**"]
  reader: ["memory:read:notes/a"]
`;

/** Two steps that are allowed. */
export const good = `name: good
inputs:
  word: { default: hello, type: string }
  times: { default: 1 }
steps:
  - { id: put, agent: scribe, action: memory.set, with: { key: notes/a, value: ["\${{ inputs.word }}", "\${{ inputs.times }}"] } }
  - { id: get, agent: reader, action: memory.get, needs: [put], with: { key: notes/a } }
`;

/** The first step is denied, the second needs it. */
export const denied = `name: forbidden
steps:
  - { id: peek, agent: scribe, action: memory.get, with: { key: notes/a } }
  - { id: put, agent: scribe, action: memory.set, needs: [peek], with: { key: notes/b, value: 1 } }
`;

/** Its step is allowed and fails. */
export const failing = `name: failing
steps:
  - { id: read, agent: filer, action: fs.read, with: { path: missing.txt } }
`;

export const failingPolicy = `version: 1
contracts: { files: { capability: "fs:read:./**" } }
agents: { filer: ["fs:read:./**"] }
`;

/** Naps until it is stopped. */
export const slow = `name: slow
steps:
  - { id: nap, agent: sleeper, action: process.run, with: { program: sleep, args: ["600"] } }
  - { id: after, agent: sleeper, action: memory.get, needs: [nap], with: { key: a } }
`;

export const slowPolicy = `version: 1
contracts:
  sleep: { capability: "os:process:sleep" }
  here: { capability: "fs:list:." }
agents:
  sleeper:
    - { capability: "os:process:sleep", constraints: { unconfined: true } }
    - fs:list:.
`;
