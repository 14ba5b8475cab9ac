import { Counter, Gauge, Registry } from 'prom-client'

/** What a figure says: a number, or one for each set of its labels; null where nothing is known now. */
export type Told<L extends string> = number | readonly (readonly [labels: Record<L, string>, value: number])[] | null

/** Makes a figure; one without labels tells a number. */
type MakeFigure = <L extends string>(
  name: string,
  help: string,
  labels: readonly L[],
  read: () => Told<L> | Promise<Told<L>>
) => void

/** Figures that are read when they are collected. */
export interface Figures {
  readonly registry: Registry
  /** What is so now; what was told last stays where nothing is known. */
  readonly gauge: MakeFigure
  /** What was counted since the start; starts again at nothing where nothing is known. */
  readonly counter: MakeFigure
}

/** How many of `all` are each of `values`, as rows of a figure with this label. */
export const countsBy = <L extends string, V extends string>(
  label: L,
  values: readonly V[],
  all: readonly V[]
): readonly (readonly [Record<L, V>, number])[] =>
  values.map((value) => [{ [label]: value } as Record<L, V>, all.filter((each) => each === value).length])

/** Figures of one part, in a registry of their own. */
export function openFigures(): Figures {
  const registry = new Registry()
  const registers = [registry]
  const rows = <L extends string>(told: Exclude<Told<L>, null>) => (typeof told === 'number' ? ([[{}, told]] as const) : told)
  return {
    registry,
    gauge: (name, help, labelNames, read) =>
      void new Gauge({
        name,
        help,
        labelNames,
        registers,
        async collect() {
          const told = await read()
          if (told !== null) for (const [labels, value] of rows(told)) this.set(labels, value)
        }
      }),
    counter: (name, help, labelNames, read) =>
      void new Counter({
        name,
        help,
        labelNames,
        registers,
        async collect() {
          const told = await read()
          this.reset()
          for (const [labels, value] of rows(told ?? [])) this.inc(labels, value)
        }
      })
  }
}
