// The body of an async function: `await` and `return` work.
const { entries } = await handles.fs.list(input.folder);
const counts = {};
for (const { name } of entries) {
  const { text } = await handles.fs.read(`${input.folder}/${name}`);
  counts[name] = text.split(/\s+/).filter(Boolean).length;
  await handles.memory.set(`counts/${name}`, counts[name]);
}
return counts;
