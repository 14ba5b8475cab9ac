import { InfraFabricError, type JsonObject, newTraceId } from '#kernel'
import {
  addDecimals,
  compareDecimals,
  type Decimal,
  formatDecimal,
  type Period,
  parseDecimal,
  spanAt,
  subtractDecimals
} from '#ledger/money'
import type { WitnessedStore, WitnessedTransaction } from '#store'

/** What a swarm may spend in each month, week or day (UTC). Amounts are US dollars as exact decimals. */
export interface SwarmBudget extends JsonObject {
  readonly swarm: string
  readonly limit: string
  readonly period: Period
}

/** What of a budget is gone in one span. */
export interface Spending extends JsonObject {
  readonly swarm: string
  /** `2026-11`, `2026-W47`, `2026-11-21`. */
  readonly span: string
  /** For tasks that are claimed. */
  readonly reserved: string
  readonly spent: string
  readonly tasks: number
}

export interface BudgetStatus {
  readonly budget: SwarmBudget
  readonly spending: Spending
  /** What may still be reserved; negative when tasks cost more than was expected. */
  readonly left: string
  /** Highest of 50, 80 and 100 % that is reached by what is spent and reserved; 0 for none. */
  readonly level: 0 | 50 | 80 | 100
}

export interface Budgets {
  /** @param limit null takes the budget away. @throws {InfraFabricError} `governor.budget` */
  readonly setBudget: (swarm: string, limit: string | null, period?: Period) => Promise<void>
  readonly budgets: () => Promise<BudgetStatus[]>
  /** What was spent, span by span, the newest first. @param since milliseconds since 1970 */
  readonly spending: (swarm: string | null, since: number | null) => Promise<Spending[]>
}

interface Reserve extends JsonObject {
  readonly swarm: string
  readonly span: string
  readonly amount: string
}

const alertLevels = [100, 80, 50] as const
const component = 'IF.governor'
const keys = {
  budget: (swarm: string) => `budget/${swarm}`,
  spending: (swarm: string, span: string) => `spending/${swarm}/${span}`,
  reserve: (task: string) => `reserve/${task}`
}
const amount = (text: string): Decimal => parseDecimal(text)
const sum = (a: string, b: string): string => formatDecimal(addDecimals(amount(a), amount(b)))
const difference = (a: string, b: string): string => formatDecimal(subtractDecimals(amount(a), amount(b)))
const nothing = (swarm: string, span: string): Spending => ({ swarm, span, reserved: '0', spent: '0', tasks: 0 })

function levelOf(limit: string, gone: string): 0 | 50 | 80 | 100 {
  const hundredfold = amount(gone)
  return (
    alertLevels.find(
      (level) =>
        compareDecimals(
          { ...hundredfold, units: hundredfold.units * 100n },
          { ...amount(limit), units: amount(limit).units * BigInt(level) }
        ) >= 0
    ) ?? 0
  )
}

/** Takes `estimate` from the swarm's budget for a task. @returns why not, or null */
export async function reserve(
  transaction: WitnessedTransaction,
  swarm: string,
  task: { readonly id: string; readonly estimate: string | null; readonly traceId: string }
): Promise<string | null> {
  const budget = await transaction.get<SwarmBudget>(keys.budget(swarm))
  const estimate = task.estimate ?? '0'
  const span = spanAt(budget?.period ?? 'month', transaction.at).name
  const before = (await transaction.get<Spending>(keys.spending(swarm, span))) ?? nothing(swarm, span)
  const after: Spending = { ...before, reserved: sum(before.reserved, estimate) }
  const gone = sum(after.reserved, after.spent)
  if (budget !== null && compareDecimals(amount(gone), amount(budget.limit)) > 0) {
    const left = difference(budget.limit, sum(before.reserved, before.spent))
    return `${swarm} has ${left} USD left of ${budget.limit} for ${span}, and ${task.id} is expected to cost ${estimate}`
  }
  transaction.put(keys.spending(swarm, span), after)
  transaction.put(keys.reserve(task.id), { swarm, span, amount: estimate } satisfies Reserve)
  if (budget !== null) {
    const payload = { swarm, task: task.id, span, amount: estimate, limit: budget.limit, left: difference(budget.limit, gone) }
    transaction.witness({ event: 'budget_reserved', component, traceId: task.traceId, payload })
    alert(transaction, budget, sum(before.reserved, before.spent), gone, span, task.traceId)
  }
  return null
}

/** Gives back what was reserved for a task, and books what it has cost. */
export async function settle(
  transaction: WitnessedTransaction,
  task: { readonly id: string; readonly traceId: string },
  cost: string | null
): Promise<void> {
  const held = await transaction.get<Reserve>(keys.reserve(task.id))
  if (held === null) return
  const { swarm, span } = held
  const before = (await transaction.get<Spending>(keys.spending(swarm, span))) ?? nothing(swarm, span)
  const after: Spending = {
    ...before,
    reserved: difference(before.reserved, held.amount),
    spent: sum(before.spent, cost ?? '0'),
    tasks: before.tasks + 1
  }
  transaction.put(keys.spending(swarm, span), after)
  transaction.remove(keys.reserve(task.id))
  const budget = await transaction.get<SwarmBudget>(keys.budget(swarm))
  if (budget === null || spanAt(budget.period, transaction.at).name !== span) return
  const left = difference(budget.limit, sum(after.reserved, after.spent))
  const payload = { swarm, task: task.id, span, amount: cost ?? '0', reserved: held.amount, left }
  transaction.witness({ event: 'budget_settled', component, traceId: task.traceId, payload })
  alert(transaction, budget, sum(before.reserved, before.spent), sum(after.reserved, after.spent), span, task.traceId)
}

/** Tells each level that is reached by this step and was not before. */
function alert(
  transaction: WitnessedTransaction,
  { swarm, limit }: SwarmBudget,
  before: string,
  gone: string,
  span: string,
  traceId: string
): void {
  const [was, level] = [levelOf(limit, before), levelOf(limit, gone)]
  if (level <= was) return
  transaction.tell(`budget.alert.${swarm}`, { swarm, span, level, gone, limit })
  transaction.witness({ event: 'swarm_budget_alert', component, traceId, payload: { swarm, span, level, gone, limit } })
}

export function createBudgets({ store, transact }: WitnessedStore): Budgets {
  const all = async <T>(prefix: string): Promise<T[]> => (await store.list(prefix)).records.map(({ value }) => value as T)
  return {
    setBudget: async (swarm, limit, period = 'month') => {
      if (!/^[A-Za-z0-9_-]{1,64}$/.test(swarm))
        throw new InfraFabricError('governor.budget', 'a swarm is named by 1-64 of A-Z a-z 0-9 _ -')
      let exact: string | null = null
      if (limit !== null) {
        const wrong = new InfraFabricError(
          'governor.budget',
          `${limit.slice(0, 40)} is no limit: expected US dollars as a decimal, such as 12.50`
        )
        if (!/^\d{1,12}(\.\d{1,12})?$/.test(limit)) throw wrong
        exact = formatDecimal(amount(limit))
      }
      await transact(async ({ get, put, remove, witness, tell }) => {
        const before = await get<SwarmBudget>(keys.budget(swarm))
        if (exact === null) remove(keys.budget(swarm))
        else put(keys.budget(swarm), { swarm, limit: exact, period } satisfies SwarmBudget)
        tell(`budget.changed.${swarm}`, { swarm, limit: exact })
        witness({
          event: 'swarm_budget_changed',
          component,
          traceId: newTraceId(),
          payload: { swarm, limit: exact, period, before: before?.limit ?? null, currency: 'USD' }
        })
      })
    },
    budgets: async () => {
      const budgets = await all<SwarmBudget>(keys.budget(''))
      const { at } = await store.read([])
      const names = budgets.map(({ swarm, period }) => [swarm, spanAt(period, at).name] as const)
      const { records } = await store.read(names.map(([swarm, span]) => keys.spending(swarm, span)))
      return budgets.map((budget, index) => {
        const spending = (records[index]?.value ?? nothing(...names[index]!)) as Spending
        const gone = sum(spending.reserved, spending.spent)
        return { budget, spending, left: difference(budget.limit, gone), level: levelOf(budget.limit, gone) }
      })
    },
    spending: async (swarm, since) => {
      const found = await all<Spending>(swarm === null ? 'spending/' : keys.spending(swarm, ''))
      const ends = ({ span }: Spending) => (since === null ? true : endOf(span) > since)
      return found.filter(ends).sort((a, b) => (a.span < b.span ? 1 : -1))
    }
  }
}

/** End of a span by its name, milliseconds since 1970. */
function endOf(span: string): number {
  const week = /^(\d{4})-W(\d{2})$/.exec(span)
  if (week !== null) {
    const fourth = Date.UTC(Number(week[1]), 0, 4)
    return spanAt('week', fourth).until + (Number(week[2]) - 1) * 7 * 86_400_000
  }
  return spanAt(span.length === 7 ? 'month' : 'day', Date.parse(span.length === 7 ? `${span}-01` : span)).until
}
