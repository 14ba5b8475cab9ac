/** Elements made by hand. Text reaches the document as text alone; there is no way here to bring in markup. */

type Child = Node | string | null | undefined | false | readonly Child[]
type Listener = (event: never) => void
export type Props = Readonly<Record<string, string | number | boolean | null | undefined | Listener>>

const svgNamespace = 'http://www.w3.org/2000/svg'

function fill<E extends Element>(element: E, props: Props, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name, value as EventListener)
    else if (value === true) element.setAttribute(name, '')
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value))
  }
  put(element, children)
  return element
}

function put(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (Array.isArray(child)) put(element, child)
    else if (child instanceof Node) element.append(child)
    else if (typeof child === 'string') element.append(document.createTextNode(child))
  }
}

/** An HTML element. Functions among `props` listen to the event of their name. */
export const h = <T extends keyof HTMLElementTagNameMap>(
  tag: T,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[T] => fill(document.createElement(tag), props, children)

export const svg = <T extends keyof SVGElementTagNameMap>(
  tag: T,
  props: Props = {},
  ...children: Child[]
): SVGElementTagNameMap[T] => fill(document.createElementNS(svgNamespace, tag), props, children)

/** Puts these children in place of those that are there. */
export function replace(element: Element, ...children: Child[]): void {
  element.replaceChildren()
  put(element, children)
}

/** An error, as it is told to people. */
export const messageOf = (error: unknown): string => shown(error instanceof Error ? error.message : String(error))

/** Shows why something cannot be shown. */
export const failIn =
  (element: Element) =>
  (error: unknown): void =>
    replace(element, h('p', { class: 'fault', role: 'alert' }, messageOf(error)))

/** C0 and C1 but the blanks people write, marks of direction, what takes no room, and what is no character: all that makes text look like other text. */
const deceiving =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]|[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Cs}\p{Cn}\p{Co}]/gu

/** Text of callers as it may be shown: what would deceive the eye is written out. */
export const shown = (text: string): string =>
  text.replace(deceiving, (character) => `\\u{${character.codePointAt(0)!.toString(16).padStart(4, '0')}}`)

/** Text of callers, kept from turning the direction of what stands around it. */
export const told = (text: string, props: Props = {}): HTMLElement => h('bdi', props, shown(text))
