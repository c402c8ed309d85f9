import { statfs } from "node:fs/promises";

/**
 * Folders whose files are doors into the kernel, into other processes or into devices. `/dev` is
 * wholly closed, `/dev/shm` included: its tmpfs cannot be told from the devices' own by type.
 */
const PSEUDO_FOLDERS = ["/proc", "/sys", "/dev"];

/** File system types, as statfs(2) gives them, of Linux' include/uapi/linux/magic.h. */
const PSEUDO_TYPES: ReadonlySet<number> = new Set([
  0x9fa0, // proc
  0x9fa1, // openprom
  0x9fa2, // usbdevice
  0x62656572, // sysfs
  0x0027e0eb, // cgroup
  0x63677270, // cgroup2
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0xcafe4a11, // bpf
  0x62656570, // configfs
  0x1cd1, // devpts
  0xf97cff8c, // selinux
  0x43415d53, // smack
  0x5a3c69f0, // apparmor
  0xde5e81e4, // efivars
  0x6165676c, // pstore
  0x42494e4d, // binfmt_misc
  0x19800202, // mqueue
  0x6e736673, // nsfs
  0x50494446, // pidfs
  0x50495045, // pipes
  0x534f434b, // sockets
  0x09041934, // anonymous inodes
  0x444d4142, // dma-buf
  0x454d444d, // devmem
  0x5345434d, // secretmem
  0x65735543, // fuse control
  0x67596969, // rpc_pipefs
  0x6e667364, // nfsd
  0x07655821, // resctrl
  0xabba1974, // xenfs
  0x6c6f6f70, // binder
]);

/** Whether the path (real, absolute) lies in one of the folders above. */
export function isPseudoPath(path: string): boolean {
  return PSEUDO_FOLDERS.some((folder) => path === folder || path.startsWith(`${folder}/`));
}

/**
 * Whether the file system behind `path` is one of the types above, wherever it is mounted. Unknown types
 * pass: a list of good ones would refuse every file system that nobody thought of.
 */
export async function isPseudoFileSystem(path: string): Promise<boolean> {
  const { type } = await statfs(path);
  return PSEUDO_TYPES.has(type >>> 0);
}
