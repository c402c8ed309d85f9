/** What `synapse init` writes. A test runs it, so that the first thing that anybody tries works. */
export const starterPolicy = `# Who may do what. Apply it with
#
#     synapse policy apply synapse.policy.yaml
#
# or give it to a run with --policy. What is not granted here is denied.
version: 1

# The authority that exists: nobody can be granted more than this.
contracts:
  greetings:
    capability: fs:write:./synapse-out/**
  reading:
    capability: fs:read:./synapse-out/**

# The part of it that each agent gets. Paths that begin with ./ lie beside this file.
agents:
  writer:
    - capability: fs:write:./synapse-out/**
      constraints: { max_output_bytes: 10000 }
  reader:
    - fs:read:./synapse-out/greeting.txt
`;

export const starterWorkflow = `# Two agents and three steps. Look first, then run:
#
#     synapse plan synapse.workflow.yaml --policy synapse.policy.yaml
#     synapse run synapse.workflow.yaml --policy synapse.policy.yaml --input name=Ada
name: hello
description: Writes a greeting, reads it back, and shows what a denial looks like

inputs:
  name: { default: world, type: string }

steps:
  - id: write
    agent: writer
    action: fs.write
    with:
      path: synapse-out/greeting.txt
      content: "Hello, \${{ inputs.name }}!\\n"

  - id: read
    agent: reader
    action: fs.read
    needs: [write]
    with: { path: synapse-out/greeting.txt }

  # The policy lets this agent read one file and write none: the step is denied, on record, and never runs.
  - id: overwrite
    agent: reader
    action: fs.write
    needs: [read]
    with: { path: synapse-out/greeting.txt, content: "Goodbye." }
    on_denied: continue
`;
