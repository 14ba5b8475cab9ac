/** What of the kernel needs nothing of Node: in programs of pages it stands in the kernel's place. */
export * from './errors.ts'
export * from './files/sha256-blocks.ts'
export * from './machine.ts'
