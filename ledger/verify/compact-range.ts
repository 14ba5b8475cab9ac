/**
 * The least that must be kept of a run of leaves to join it with its neighbours: the roots of the perfect subtrees that cover it.
 *
 * A run may begin anywhere in the tree, so parts of a log are hashed apart, in any order, and joined: [a, b) and [b, c) give [a, c), and [0, n) gives
 * the root of the first n leaves.
 *
 * @see RFC 6962 §2.1
 */
import { emptyRoot, hashLength, nodeHash } from '../log/merkle.ts'

/** Root of the perfect subtree over leaves `position`·2^`level` to (`position` + 1)·2^`level`. */
export interface TreeNode {
  readonly level: number
  readonly position: number
  readonly hash: Uint8Array
}

/** What a {@link CompactRange} is between threads and in files. */
export interface RangeState {
  readonly begin: number
  readonly end: number
  /** Its node hashes one behind the other, from left to right. */
  readonly hashes: Uint8Array
}

export class CompactRange {
  readonly begin: number
  #end: number
  readonly #nodes: TreeNode[] = []

  /** An empty run before leaf `begin`. */
  constructor(begin = 0) {
    this.begin = begin
    this.#end = begin
  }

  get end(): number {
    return this.#end
  }

  /** Adds the leaf that follows. */
  append(leaf: Uint8Array): void {
    this.#push(0, this.#end, leaf)
    this.#end++
  }

  /** Adds the run that follows. @throws {RangeError} when it does not begin where this one ends */
  join(next: CompactRange): void {
    if (next.begin !== this.#end) throw new RangeError(`leaves from ${next.begin} do not follow on ${this.#end}`)
    for (const { level, position, hash } of next.#nodes) this.#push(level, position, hash)
    this.#end = next.#end
  }

  #push(level: number, position: number, hash: Uint8Array): void {
    let node: TreeNode = { level, position, hash }
    while (node.position % 2 === 1) {
      const left = this.#nodes.at(-1)
      if (left === undefined || left.level !== node.level) break
      this.#nodes.pop()
      node = { level: node.level + 1, position: left.position / 2, hash: nodeHash(left.hash, node.hash) }
    }
    this.#nodes.push(node)
  }

  /** Root of the tree of `end` leaves. @throws {RangeError} for a run that does not begin at the first leaf */
  root(): Uint8Array {
    if (this.begin !== 0) throw new RangeError(`leaves from ${this.begin} have no root of their own`)
    if (this.#nodes.length === 0) return emptyRoot
    return this.#nodes.map(({ hash }) => hash).reduceRight((right, left) => nodeHash(left, right))
  }

  copy(): CompactRange {
    return CompactRange.of(this.state())
  }

  state(): RangeState {
    return { begin: this.begin, end: this.#end, hashes: Buffer.concat(this.#nodes.map(({ hash }) => hash)) }
  }

  /** @throws {RangeError} when there are not as many hashes as such a run has nodes */
  static of({ begin, end, hashes }: RangeState): CompactRange {
    const range = new CompactRange(begin)
    const places = nodesOf(begin, end)
    if (hashes.length !== places.length * hashLength) {
      throw new RangeError(`leaves ${begin} to ${end} have ${places.length} nodes, got ${hashes.length} octets`)
    }
    for (const [i, { level, position }] of places.entries()) {
      range.#nodes.push({ level, position, hash: Buffer.from(hashes.subarray(i * hashLength, (i + 1) * hashLength)) })
    }
    range.#end = end
    return range
  }
}

/** The perfect subtrees that cover leaves `begin` to `end`, from left to right: each as large as its place and the end allow. */
function nodesOf(begin: number, end: number): { level: number; position: number }[] {
  if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0 || end < begin) {
    throw new RangeError(`${begin} to ${end} is no run of leaves`)
  }
  const places: { level: number; position: number }[] = []
  for (let at = begin; at < end; ) {
    let level = 0
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= end) level++
    places.push({ level, position: at / 2 ** level })
    at += 2 ** level
  }
  return places
}
