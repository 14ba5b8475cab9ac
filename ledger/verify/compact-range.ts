/**
 * The least that must be kept of a run of leaves to join it with its neighbours: the roots of the perfect subtrees that cover it.
 *
 * A run may begin anywhere in the tree, so parts of a log are hashed apart, in any order, and joined: [a, b) and [b, c) give [a, c), and [0, n) gives
 * the root of the first n leaves.
 *
 * @see RFC 6962 §2.1
 */
import { digest, emptyRoot, hashLength, nodeHash } from '../log/merkle.ts'

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

const blockLevel = 8
const blockLeaves = 2 ** blockLevel
/** A node's input as RFC 6962 §2.1 has it: 0x01 ‖ left ‖ right. */
const inputLength = 1 + 2 * hashLength

/**
 * A perfect subtree whose leaves came one after another, hashed where it lies: the hashes of a level stand as the inputs of the next one, each behind its
 * prefix, and those of the next one take their place from the front on.
 */
class LeafBlock {
  readonly #octets = Buffer.alloc((blockLeaves / 2) * inputLength)
  readonly #inputs = Array.from({ length: blockLeaves / 2 }, (_, i) =>
    this.#octets.subarray(i * inputLength, (i + 1) * inputLength)
  )
  count = 0

  constructor() {
    for (const input of this.#inputs) input[0] = 1
  }

  put(leaf: Uint8Array): void {
    const at = placeOf(this.count++)
    for (let i = 0; i < hashLength; i++) this.#octets[at + i] = leaf[i]!
  }

  leaf(number: number): Uint8Array {
    const at = placeOf(number)
    return Buffer.from(this.#octets.subarray(at, at + hashLength))
  }

  /** Root of the block, which must be full and is empty then. */
  fold(): Uint8Array {
    for (let nodes = blockLeaves / 2; nodes >= 1; nodes /= 2) {
      for (let i = 0; i < nodes; i++) this.#octets.write(digest(this.#inputs[i]!), placeOf(i), hashLength, 'latin1')
    }
    this.count = 0
    return this.leaf(0)
  }
}

const placeOf = (number: number): number => (number >> 1) * inputLength + 1 + (number & 1) * hashLength

export class CompactRange {
  readonly begin: number
  #end: number
  /** The nodes of the leaves up to the block's. */
  readonly #nodes: TreeNode[] = []
  /** Leaves that came last and do not fill a subtree of its size yet. */
  #block: LeafBlock | null = null

  /** An empty run before leaf `begin`. */
  constructor(begin = 0) {
    this.begin = begin
    this.#end = begin
  }

  get end(): number {
    return this.#end
  }

  /** Adds the leaf that follows. @param leaf its hash; not kept */
  append(leaf: Uint8Array): void {
    const position = this.#end++
    if (position % blockLeaves === 0) this.#block ??= new LeafBlock()
    if (this.#block === null || (this.#block.count === 0 && position % blockLeaves !== 0)) {
      this.#push(0, position, Buffer.from(leaf))
      return
    }
    this.#block.put(leaf)
    if (this.#block.count === blockLeaves) this.#push(blockLevel, (this.#end - blockLeaves) / blockLeaves, this.#block.fold())
  }

  /** All nodes, those of the block's leaves included. */
  #settled(): TreeNode[] {
    const count = this.#block?.count ?? 0
    for (let i = 0; i < count; i++) this.#push(0, this.#end - count + i, this.#block!.leaf(i))
    if (this.#block !== null) this.#block.count = 0
    return this.#nodes
  }

  /** Adds the run that follows. @throws {RangeError} when it does not begin where this one ends */
  join(next: CompactRange): void {
    if (next.begin !== this.#end) throw new RangeError(`leaves from ${next.begin} do not follow on ${this.#end}`)
    this.#settled()
    for (const { level, position, hash } of next.#settled()) this.#push(level, position, hash)
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
    const nodes = this.#settled()
    if (nodes.length === 0) return emptyRoot
    return nodes.map(({ hash }) => hash).reduceRight((right, left) => nodeHash(left, right))
  }

  copy(): CompactRange {
    return CompactRange.of(this.state())
  }

  state(): RangeState {
    return { begin: this.begin, end: this.#end, hashes: Buffer.concat(this.#settled().map(({ hash }) => hash)) }
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
