/** YAML files in which every problem is told with its place. Apart from the kernel's public file, so that only who reads such files loads the parser. */
import { isNode, LineCounter, parseDocument } from 'yaml'
import { ConfigError, messageOf } from '../errors.ts'

export interface YamlFile {
  readonly content: unknown
  /** Notes a problem at the nearest value there is on the way to `path`. */
  readonly problem: (path: readonly PropertyKey[], what: string) => void
  /** @throws {ConfigError} with every problem noted, in the order of the file */
  readonly failIfAny: () => void
}

/** `experts[2].uri`; the root is `(file)`. */
export const pathText = (path: readonly PropertyKey[]): string =>
  path.length === 0
    ? '(file)'
    : path.map((part, at) => (typeof part === 'number' ? `[${part}]` : `${at === 0 ? '' : '.'}${String(part)}`)).join('')

/**
 * @param source name of the file, for messages
 * @param place what is told of a place: both count from 1
 * @throws {ConfigError} when the file is too large, or no YAML
 */
export function readYaml(
  text: string,
  source: string,
  largestOctets: number,
  place: (line: number, column: number) => string
): YamlFile {
  if (Buffer.byteLength(text) > largestOctets) throw new ConfigError(source, [`larger than ${largestOctets} octets`])
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const placeOf = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return place(line, col)
  }
  if (document.errors.length > 0)
    throw new ConfigError(
      source,
      document.errors.map(({ pos, message }) => `${placeOf(pos[0])}: ${message}`)
    )
  let content: unknown
  try {
    content = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new ConfigError(source, [messageOf(error)])
  }
  const problems: { offset: number; text: string }[] = []
  return {
    content,
    problem: (path, what) => {
      let offset = 0
      for (let depth = path.length; depth >= 0; depth--) {
        const node = document.getIn(path.slice(0, depth), true)
        if (!isNode(node) || !node.range) continue
        offset = node.range[0]
        break
      }
      problems.push({ offset, text: `${placeOf(offset)}: ${pathText(path)}: ${what}` })
    },
    failIfAny: () => {
      if (problems.length === 0) return
      problems.sort((a, b) => a.offset - b.offset)
      throw new ConfigError(
        source,
        problems.map((each) => each.text)
      )
    }
  }
}
