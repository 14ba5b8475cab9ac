/** Connected applications and which methods they take. */

export interface Application {
  readonly id: number
  readonly tags: readonly string[]
  /** False from the moment its connection is gone. */
  open: boolean
  /** Writes one frame: a meta line, and SIP text behind it where there is some. */
  readonly send: (meta: string, message?: Uint8Array) => void
}

export interface Routes {
  /** Asking twice is the same as asking once. */
  readonly add: (application: Application, verb: string) => void
  readonly remove: (application: Application, verb: string) => void
  readonly removeAll: (application: Application) => void
  /** The next application in turn for that method or record (any case); where a tag is given, of those that have it. */
  readonly next: (verb: string, tag?: string) => Application | undefined
}

export function createRoutes(): Routes {
  const takers = new Map<string, Application[]>()
  const turns = new Map<string, number>()

  const remove = (application: Application, verb: string): void => {
    const left = takers.get(verb)?.filter((each) => each !== application) ?? []
    if (left.length > 0) takers.set(verb, left)
    else {
      takers.delete(verb)
      turns.delete(verb)
    }
  }

  return {
    add: (application, verb) => {
      const list = takers.get(verb)
      if (list === undefined) takers.set(verb, [application])
      else if (!list.includes(application)) list.push(application)
    },
    remove,
    removeAll: (application) => {
      for (const verb of [...takers.keys()]) remove(application, verb)
    },
    next: (wanted, tag) => {
      const verb = wanted.toLowerCase()
      const list = takers.get(verb)
      if (list === undefined) return undefined
      const turn = turns.get(verb) ?? 0
      for (let step = 0; step < list.length; step++) {
        const at = (turn + step) % list.length
        const application = list[at]!
        if (!application.open || (tag !== undefined && !application.tags.includes(tag))) continue
        turns.set(verb, at + 1)
        return application
      }
      return undefined
    }
  }
}
