/**
 * When SQLite's write-ahead log (its journal) is brought home to the database.
 *
 *     commits ─▶ 512 KiB since the last pass ─▶ a pass by the thread ─▶ journal long, little of it left? ─▶ the rest here, between two commits
 *
 * SQLite does it inside a commit, which then waits for megabytes and two syncs more. Here a thread of its own does it beside the commits. While they go on it never gets
 * to the end, and the journal begins anew only behind a pass that did: the last few frames are therefore brought home by the writer, who commits nothing meanwhile.
 * The file keeps its length: to sync octets that are written over takes a fraction of what it takes to sync a file that grows.
 */
import type { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import type { JournalPass, JournalRequest } from './journal-thread.ts'

/** Octets committed after which there is a pass. */
const passAfterOctets = 512 << 10
/** Frames, of a page each, at which the journal is to begin anew. */
const longFrames = 4096
/** The part of a long journal that the writer brings home itself: where the thread falls behind the commits, they wait the longer, and the journal does not grow for ever. */
const shareOfWriter = 1 / 8
/** Pages that a small commit changes: of its segment, its producers, the head. */
const pagesBeside = 6
const pageOctets = 4096

export interface Journal {
  /** A commit with a segment of so many octets was made. */
  readonly grew: (octets: number) => void
  /** Resolves when no pass is under way. */
  readonly settled: () => Promise<void>
  readonly close: () => Promise<void>
}

/** @param database the writer's connection: from here on its commits bring nothing home, unless the thread fails */
export function openJournal(path: string, database: DatabaseSync): Journal {
  const bringHome = database.prepare('PRAGMA wal_checkpoint(PASSIVE)')
  let thread: Worker | null = null
  let since = 0
  let underWay: PromiseWithResolvers<void> | null = null
  let ended = false

  const afterExit = () => {
    thread = null
    underWay?.resolve()
    underWay = null
    if (ended) return
    ended = true
    database.exec('PRAGMA wal_autocheckpoint = 1000')
  }

  const start = (): Worker => {
    const begun = new Worker(new URL('./journal-thread.ts', import.meta.url), {
      workerData: path,
      execArgv: ['--disable-warning=ExperimentalWarning']
    })
    begun.unref()
    begun.on('message', afterPass)
    // what follows is its exit
    begun.on('error', () => undefined)
    begun.on('exit', afterExit)
    return begun
  }

  const pass = () => {
    since = 0
    underWay = Promise.withResolvers()
    thread ??= start()
    thread.postMessage('pass' satisfies JournalRequest)
  }

  const afterPass = ({ frames }: JournalPass) => {
    underWay?.resolve()
    underWay = null
    if (ended || frames === null || frames.all < longFrames) return
    if (frames.all - frames.home > shareOfWriter * frames.all) return pass()
    try {
      bringHome.get()
    } catch {
      // it stays in the journal, and the next pass tries again
    }
  }

  database.exec('PRAGMA wal_autocheckpoint = 0')
  return {
    grew: (octets) => {
      since += octets + pagesBeside * pageOctets
      if (since >= passAfterOctets && underWay === null && !ended) pass()
    },
    settled: async () => {
      while (underWay !== null) await underWay.promise
    },
    close: async () => {
      ended = true
      if (thread === null) return
      const { promise, resolve } = Promise.withResolvers<void>()
      thread.ref()
      thread.once('exit', () => resolve())
      thread.postMessage('close' satisfies JournalRequest)
      await promise
    }
  }
}
