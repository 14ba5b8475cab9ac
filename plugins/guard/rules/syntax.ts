/**
 * Reads the part of the Cedar policy language that guard rules are written in: text to tree. What it takes means here what it means to Cedar, but for
 * the annotations, which Cedar leaves to its users.
 *
 *     Policy     ::= {Annotation} ('permit' | 'forbid') '(' Scope ',' Scope ',' Scope ')' {('when' | 'unless') '{' Expr '}'} ';'
 *     Scope      ::= VAR [('==' | 'in') Entity]
 *     Expr       ::= 'if' Expr 'then' Expr 'else' Expr | Or
 *     Or         ::= And {'||' And}
 *     And        ::= Relation {'&&' Relation}
 *     Relation   ::= Add [('==' | '!=' | '<' | '<=' | '>' | '>=' | 'in') Add | 'like' PATTERN]
 *     Add        ::= Mult {('+' | '-') Mult}
 *     Mult       ::= Unary {'*' Unary}
 *     Unary      ::= ['!' …4 | '-' …4] Member
 *     Member     ::= Primary {'.' IDENT ['(' [Expr {',' Expr}] ')'] | '[' STR ']'}
 *     Primary    ::= 'true' | 'false' | INT | STR | Entity | VAR | 'ip' '(' STR ')' | '(' Expr ')' | '[' [Expr {',' Expr}] ']'
 *
 * Left out are templates, `has`, `is`, records, decimals, dates and tags: every fact is always there and has one type.
 *
 * @see https://docs.cedarpolicy.com/policies/syntax-grammar.html
 */

const variables = ['principal', 'action', 'resource', 'context'] as const
export type Variable = (typeof variables)[number]

const comparisons = ['==', '!=', '<', '<=', '>', '>=', 'in'] as const
export type BinaryOperator = '||' | '&&' | (typeof comparisons)[number] | '+' | '-' | '*'

/** Octet offsets are of UTF-16 units, from the beginning of the text. */
export type Expression = { readonly offset: number } & (
  | { readonly kind: 'literal'; readonly value: boolean | number | string }
  /** `Role::"guardian"`, in this one spelling. */
  | { readonly kind: 'entity'; readonly type: string; readonly uid: string }
  | { readonly kind: 'variable'; readonly name: Variable }
  | { readonly kind: 'ip'; readonly text: string }
  | { readonly kind: 'not' | 'negate'; readonly of: Expression }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Expression; readonly right: Expression }
  /** `null` in a pattern stands for any text. */
  | { readonly kind: 'like'; readonly of: Expression; readonly pattern: readonly (string | null)[] }
  | { readonly kind: 'member'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'call'; readonly of: Expression; readonly method: string; readonly operands: readonly Expression[] }
  | { readonly kind: 'set'; readonly items: readonly Expression[] }
  | { readonly kind: 'if'; readonly test: Expression; readonly yes: Expression; readonly no: Expression }
)

export interface Annotation {
  readonly name: string
  readonly value: string
  readonly offset: number
}

/** One policy as written. */
export interface ParsedRule {
  readonly effect: 'permit' | 'forbid'
  readonly annotations: readonly Annotation[]
  /** Scope and conditions as one list: the rule matches when each of them is true. */
  readonly conditions: readonly Expression[]
  readonly offset: number
}

/** A place in the text where it is not what was expected. */
export interface Problem {
  readonly offset: number
  readonly text: string
}

/** Thrown inside the reader only: {@link parseRuleText} gives problems as values. */
class SyntaxProblem extends Error {
  readonly offset: number

  constructor(offset: number, message: string) {
    super(message)
    this.offset = offset
  }
}

interface Token {
  readonly kind: 'name' | 'integer' | 'text' | 'mark' | 'end'
  /** Of a text: what stands between the quotes, escapes as written. */
  readonly text: string
  readonly offset: number
}

const tokenForm =
  /(?:\s+|\/\/[^\n]*)+|([A-Za-z_][A-Za-z0-9_]*)|([0-9]+)|"((?:[^"\\\n]|\\[^\n])*)"|(::|==|!=|<=|>=|&&|\|\||[@()[\]{},;.<>+\-*!])/y

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < text.length; ) {
    tokenForm.lastIndex = at
    const match = tokenForm.exec(text)
    if (match === null) throw new SyntaxProblem(at, `unexpected ${JSON.stringify(String.fromCodePoint(text.codePointAt(at)!))}`)
    const [whole, name, integer, quoted, mark] = match
    if (name !== undefined) tokens.push({ kind: 'name', text: name, offset: at })
    else if (integer !== undefined) tokens.push({ kind: 'integer', text: integer, offset: at })
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted, offset: at })
    else if (mark !== undefined) tokens.push({ kind: 'mark', text: mark, offset: at })
    at += whole.length
  }
  tokens.push({ kind: 'end', text: 'the end of the file', offset: text.length })
  return tokens
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0', '\\': '\\', "'": "'", '"': '"' }
const escapeForm = /\\(?:u\{([0-9a-fA-F]{1,6})\}|x([0-7][0-9a-fA-F])|(.))/gu

/** Text with its escapes read. In a pattern `\*` is a star; a bare star becomes a wildcard. */
function readEscapes(raw: string, offset: number, star: string | null = null): string {
  return raw.replace(escapeForm, (whole, unicode: string | undefined, octet: string | undefined, plain: string | undefined) => {
    const point = Number.parseInt(unicode ?? octet ?? '', 16)
    if (unicode !== undefined && (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)))
      throw new SyntaxProblem(offset, `${whole} is no character`)
    if (plain === undefined) return String.fromCodePoint(point)
    if (plain === '*' && star !== null) return star
    return escapes[plain] ?? fail(offset, `${whole} is no escape of a text`)
  })
}

const fail = (offset: number, message: string): never => {
  throw new SyntaxProblem(offset, message)
}

/** How deep expressions may nest, how long they may be and how many rules there may be: far beyond what a person writes. */
const deepest = 64
const mostRules = 1_000
const longestChain = 500

const laterCedar: ReadonlySet<string> = new Set(['has', 'is', 'decimal', 'datetime', 'duration', 'template'])

/**
 * Reads a rule file.
 *
 * @returns the rules in the order of the file, and every problem; after one inside a rule, reading goes on behind its semicolon.
 */
export function parseRuleText(text: string): { readonly rules: readonly ParsedRule[]; readonly problems: readonly Problem[] } {
  let tokens: readonly Token[]
  try {
    tokens = tokensOf(text)
  } catch (error) {
    if (error instanceof SyntaxProblem) return { rules: [], problems: [{ offset: error.offset, text: error.message }] }
    throw error
  }
  const rules: ParsedRule[] = []
  const problems: Problem[] = []
  let at = 0
  while (tokens[at]!.kind !== 'end') {
    const reader = readerAt(tokens, at)
    try {
      rules.push(readRule(reader))
      if (rules.length > mostRules)
        return { rules, problems: [{ offset: reader.next().offset, text: `more than ${mostRules} rules` }] }
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error
      problems.push({ offset: error.offset, text: error.message })
      while (reader.next().kind !== 'end' && reader.next().text !== ';') reader.take()
      if (reader.next().kind !== 'end') reader.take()
    }
    at = reader.at()
  }
  return { rules, problems }
}

interface Reader {
  readonly at: () => number
  readonly next: () => Token
  readonly take: () => Token
  /** Takes the mark or word when it is next. */
  readonly took: (text: string) => boolean
  readonly expect: (text: string) => Token
}

function readerAt(tokens: readonly Token[], start: number): Reader {
  let at = start
  const next = (): Token => tokens[at]!
  const take = (): Token => {
    const token = next()
    if (token.kind !== 'end') at++
    return token
  }
  const isNext = (text: string): boolean => next().kind !== 'text' && next().kind !== 'end' && next().text === text
  return {
    at: () => at,
    next,
    take,
    took: (text) => {
      if (!isNext(text)) return false
      take()
      return true
    },
    expect: (text) => (isNext(text) ? take() : fail(next().offset, `expected ${text} before ${shown(next())}`))
  }
}

const shown = ({ kind, text }: Token): string => (kind === 'text' ? `"${text}"` : text)

function readRule(reader: Reader): ParsedRule {
  const { offset } = reader.next()
  const annotations: Annotation[] = []
  while (reader.took('@')) annotations.push(readAnnotation(reader))
  const effect = reader.take()
  if (effect.kind !== 'name' || (effect.text !== 'permit' && effect.text !== 'forbid'))
    return fail(effect.offset, `expected permit or forbid before ${shown(effect)}`)
  const conditions: Expression[] = []
  reader.expect('(')
  for (const [index, name] of (['principal', 'action', 'resource'] as const).entries()) {
    if (index > 0) reader.expect(',')
    const variable: Expression = { kind: 'variable', name, offset: reader.expect(name).offset }
    const operator = reader.next()
    if (reader.took('==') || reader.took('in')) {
      const right = readPrimary(reader, 0)
      if (right.kind !== 'entity' && !(name === 'action' && operator.text === 'in' && right.kind === 'set'))
        fail(right.offset, 'expected an entity such as Role::"expert"')
      conditions.push({
        kind: 'binary',
        operator: operator.text === '==' ? '==' : 'in',
        left: variable,
        right,
        offset: variable.offset
      })
    }
  }
  reader.took(',')
  reader.expect(')')
  for (;;) {
    const word = reader.next()
    const isWhen = reader.took('when')
    if (!isWhen && !reader.took('unless')) break
    reader.expect('{')
    const condition = readExpression(reader, 0)
    reader.expect('}')
    conditions.push(isWhen ? condition : { kind: 'not', of: condition, offset: word.offset })
  }
  reader.expect(';')
  return { effect: effect.text, annotations, conditions, offset }
}

function readAnnotation(reader: Reader): Annotation {
  const name = reader.take()
  if (name.kind !== 'name') fail(name.offset, `expected the name of an annotation before ${shown(name)}`)
  let value = ''
  if (reader.took('(')) {
    value = readText(reader)
    reader.expect(')')
  }
  return { name: name.text, value, offset: name.offset }
}

function readText(reader: Reader): string {
  const token = reader.take()
  return token.kind === 'text'
    ? readEscapes(token.text, token.offset)
    : fail(token.offset, `expected a text before ${shown(token)}`)
}

function readExpression(reader: Reader, depth: number): Expression {
  const { offset } = reader.next()
  if (depth > deepest) fail(offset, `nested deeper than ${deepest}`)
  if (!reader.took('if')) return readOr(reader, depth)
  const test = readExpression(reader, depth + 1)
  reader.expect('then')
  const yes = readExpression(reader, depth + 1)
  reader.expect('else')
  return { kind: 'if', test, yes, no: readExpression(reader, depth + 1), offset }
}

/** `operand {operator operand}`, grouped to the left. */
function readChain(reader: Reader, operators: readonly BinaryOperator[], operand: () => Expression): Expression {
  let left = operand()
  for (let links = 0; ; links++) {
    const operator = operators.find((each) => reader.took(each))
    if (operator === undefined) return left
    if (links === longestChain) fail(left.offset, `more than ${longestChain} operators in a row`)
    left = { kind: 'binary', operator, left, right: operand(), offset: left.offset }
  }
}

const readOr = (reader: Reader, depth: number): Expression => readChain(reader, ['||'], () => readAnd(reader, depth))
const readAnd = (reader: Reader, depth: number): Expression => readChain(reader, ['&&'], () => readRelation(reader, depth))

function readRelation(reader: Reader, depth: number): Expression {
  const left = readSum(reader, depth)
  const token = reader.next()
  if (token.kind === 'name' && laterCedar.has(token.text)) fail(token.offset, `${token.text} is not among what guard rules know`)
  if (reader.took('like')) {
    const pattern = reader.take()
    if (pattern.kind !== 'text') fail(pattern.offset, `expected a pattern before ${shown(pattern)}`)
    return { kind: 'like', of: left, pattern: readPattern(pattern), offset: left.offset }
  }
  const operator = comparisons.find((each) => reader.took(each))
  if (operator === undefined) return left
  const relation: Expression = { kind: 'binary', operator, left, right: readSum(reader, depth), offset: left.offset }
  const further = reader.next()
  if (comparisons.some((each) => further.kind !== 'text' && each === further.text))
    fail(further.offset, 'comparisons do not chain: put one in parentheses')
  return relation
}

function readPattern({ text, offset }: Token): (string | null)[] {
  const parts = text.split(/((?:\\.|[^\\*])+|\*)/u).filter((part) => part !== '')
  return parts.map((part) => (part === '*' ? null : readEscapes(part, offset, '*')))
}

const readSum = (reader: Reader, depth: number): Expression => readChain(reader, ['+', '-'], () => readProduct(reader, depth))
const readProduct = (reader: Reader, depth: number): Expression => readChain(reader, ['*'], () => readUnary(reader, depth, 0))

function readUnary(reader: Reader, depth: number, before: number): Expression {
  const { offset } = reader.next()
  if (before > 4) fail(offset, 'more than four signs in a row')
  if (reader.took('!')) return { kind: 'not', of: readUnary(reader, depth, before + 1), offset }
  if (reader.took('-')) return { kind: 'negate', of: readUnary(reader, depth, before + 1), offset }
  return readMember(reader, depth)
}

function readMember(reader: Reader, depth: number): Expression {
  let of = readPrimary(reader, depth)
  for (;;) {
    const { offset } = reader.next()
    if (reader.took('[')) {
      of = { kind: 'member', of, name: readText(reader), offset }
      reader.expect(']')
    } else if (reader.took('.')) {
      const name = reader.take()
      if (name.kind !== 'name') fail(name.offset, `expected a name before ${shown(name)}`)
      of = reader.took('(')
        ? { kind: 'call', of, method: name.text, operands: readList(reader, ')', depth), offset: name.offset }
        : { kind: 'member', of, name: name.text, offset: name.offset }
    } else return of
  }
}

function readList(reader: Reader, end: ')' | ']', depth: number): Expression[] {
  const items: Expression[] = []
  while (!reader.took(end)) {
    if (items.length > 0) {
      reader.expect(',')
      if (reader.took(end)) break
    }
    items.push(readExpression(reader, depth + 1))
  }
  return items
}

function readPrimary(reader: Reader, depth: number): Expression {
  const token = reader.take()
  const { kind, text, offset } = token
  if (kind === 'integer') {
    const value = Number(text)
    return Number.isSafeInteger(value) ? { kind: 'literal', value, offset } : fail(offset, `${text} is too large`)
  }
  if (kind === 'text') return { kind: 'literal', value: readEscapes(text, offset), offset }
  if (kind === 'mark' && text === '(') {
    const inner = readExpression(reader, depth + 1)
    reader.expect(')')
    return inner
  }
  if (kind === 'mark' && text === '[') return { kind: 'set', items: readList(reader, ']', depth), offset }
  if (kind !== 'name') return fail(offset, `expected a value before ${shown(token)}`)
  if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true', offset }
  if (reader.next().kind === 'mark' && reader.next().text === '::') {
    let type = text
    while (reader.took('::')) {
      const part = reader.take()
      if (part.kind === 'text') return { kind: 'entity', type, uid: entityUid(type, readEscapes(part.text, part.offset)), offset }
      if (part.kind !== 'name') fail(part.offset, `expected the id of an entity before ${shown(part)}`)
      type = `${type}::${part.text}`
    }
  }
  const variable = variables.find((each) => each === text)
  if (variable !== undefined) return { kind: 'variable', name: variable, offset }
  if (text === 'ip' && reader.took('(')) {
    const address = readText(reader)
    reader.expect(')')
    return { kind: 'ip', text: address, offset }
  }
  return fail(offset, laterCedar.has(text) ? `${text} is not among what guard rules know` : `unknown name ${text}`)
}

/** The one spelling of an entity's name. */
export const entityUid = (type: string, id: string): string => `${type}::${JSON.stringify(id)}`
