/** What the agents of `workflowFor` may do. @param port of the server on the loopback address. */
export const policyFor = (port: number): string => `version: 1
name: all
contracts:
  files: { capability: "fs:*:./**" }
  out: { capability: "net:http:POST http://127.0.0.1:${port}/**", constraints: { allow_private: [127.0.0.0/8] } }
  in: { capability: "net:http:http://127.0.0.1:${port}/**", constraints: { allow_private: [127.0.0.0/8] } }
  run: { capability: "os:process:*", constraints: { unconfined: true } }
  notes: { capability: "memory:*:notes/**", constraints: { max_uses: 50 } }
  count: { capability: "code:execute:count" }
agents:
  worker: ["fs:read:./**", "fs:write:./**", "fs:list:./**", "fs:delete:./tmp/**"]
  caller: ["net:http:POST http://127.0.0.1:${port}/**", "net:http:http://127.0.0.1:${port}/**"]
  shell: ["os:process:*", "fs:list:./**"]
  script: ["code:execute:count", "fs:read:./**", { capability: "memory:*:notes/**", constraints: { params: { required: [key] } } }]
  scribe:
    - { capability: "memory:*:notes/**", constraints: { max_uses: 5, rate: { limit: 4, per: 1h } } }
`;

/** Every built-in handle, with answers, failures and a denial. */
export const workflowFor = (port: number): string => `name: everything
steps:
  - { id: write, agent: worker, action: fs.write, with: { path: tmp/a.txt, content: "héllo" } }
  - { id: read, agent: worker, action: fs.read, needs: [write], with: { path: tmp/a.txt } }
  - { id: binary, agent: worker, action: fs.read, with: { path: binary } }
  - { id: list, agent: worker, action: fs.list, needs: [read], with: { path: . } }
  - { id: delete, agent: worker, action: fs.delete, needs: [list], with: { path: tmp/a.txt } }
  - { id: missing, agent: worker, action: fs.read, needs: [delete], with: { path: tmp/a.txt }, on_error: continue }
  - { id: post, agent: caller, action: http.request, with: { method: POST, url: "http://127.0.0.1:${port}/post", body: "\${{ steps.read.output.text }}" }, needs: [read] }
  - { id: hop, agent: caller, action: http.request, with: { url: "http://127.0.0.1:${port}/hop" }, on_error: continue }
  - { id: date, agent: shell, action: process.run, with: { program: date, args: [+%s%N] } }
  - { id: fails, agent: shell, action: process.run, with: { program: sh, args: [-c, "echo no >&2; exit 3"] } }
  - { id: put, agent: scribe, action: memory.set, with: { key: notes/a, value: { z: 1, a: [2] } } }
  - { id: get, agent: scribe, action: memory.get, needs: [put], with: { key: notes/a } }
  - id: script
    agent: script
    action: script.run
    needs: [put]
    on_error: continue
    with:
      name: count
      uses: ["memory:read:notes/**", "fs:read:./binary"]
      input: { key: notes/a }
      code: |
        const [note, file] = await Promise.all([handles.memory.get(input.key), handles.fs.read("binary")]);
        let refused;
        try { await handles.fs.read("p.yaml"); } catch (error) { refused = error.code ?? String(error); }
        return { note, file, refused, id: crypto.randomUUID(), at: Date.now(), dice: Math.random() };
  - { id: private, agent: scribe, action: memory.get, needs: [get, hop, post, fails, date, missing, binary, script], with: { key: private/a } }
`;
