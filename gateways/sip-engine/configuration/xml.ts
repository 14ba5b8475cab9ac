/** A small tree of an XML file, each element with its line. No DTD, no entities but the five of XML, nothing fetched. */
import { SaxesParser } from 'saxes'
import { InfraFabricError } from '#kernel'

export interface XmlElement {
  readonly name: string
  readonly line: number
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  /** All text directly inside, blanks at its ends removed. */
  readonly text: string
}

const mostCharacters = 1_048_576
const mostDepth = 64
const mostElements = 20_000

/** @throws {InfraFabricError} `sip-engine.xml`, with the line. */
export function parseXml(source: string): XmlElement {
  if (source.length > mostCharacters) throw fault('file is too large', 1)
  const parser = new SaxesParser({ xmlns: false, position: true })
  const open: { name: string; line: number; attributes: Record<string, string>; children: XmlElement[]; text: string }[] = []
  let root: XmlElement | undefined
  let elements = 0
  let startLine = 1
  parser.on('error', (error) => {
    throw fault(error.message.replace(/^\d+:\d+: /, ''), parser.line)
  })
  parser.on('doctype', () => {
    throw fault('a document type declaration is not accepted', parser.line)
  })
  parser.on('opentagstart', () => {
    startLine = parser.line
  })
  parser.on('opentag', ({ name, attributes }) => {
    if (++elements > mostElements || open.length >= mostDepth) throw fault('too many elements', parser.line)
    open.push({ name, line: startLine, attributes, children: [], text: '' })
  })
  const addText = (text: string): void => {
    const element = open.at(-1)
    if (element !== undefined) element.text += text
  }
  parser.on('text', addText)
  parser.on('cdata', addText)
  parser.on('closetag', () => {
    const element = open.pop()!
    element.text = element.text.trim()
    const parent = open.at(-1)
    if (parent === undefined) root = element
    else parent.children.push(element)
  })
  parser.write(source).close()
  if (root === undefined) throw fault('no element', 1)
  return root
}

function fault(message: string, line: number): InfraFabricError {
  return new InfraFabricError('sip-engine.xml', `line ${line}: ${message}`)
}
