const program = new URL('../../cli/ifctl.ts', import.meta.url).href

/** Arguments of Node for the real command, without the launcher in front of it. */
export const ifctl = (...words: readonly string[]): string[] => [
  '--disable-warning=ExperimentalWarning',
  '--input-type=module',
  '-e',
  `const { main } = await import(${JSON.stringify(program)}); main(process.argv.slice(1))`,
  ...words
]
