import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { errorCode, messageOf } from '#kernel'
import type { Policy } from './policy.ts'

const policyName = /^[a-z][a-z0-9-]{0,31}$/

/**
 * Finds the policies of `names`, in that order: among the shipped ones first, else as `<folder>/<name>/policy.ts` (or `policy.js`).
 *
 * @returns the policies found, and one problem for each that was not; nothing outside `folder` is ever loaded.
 */
export async function loadPolicies(
  names: readonly string[],
  shipped: readonly Policy[],
  folder: string | null
): Promise<{ readonly policies: readonly Policy[]; readonly problems: readonly string[] }> {
  const policies: Policy[] = []
  const problems: string[] = []
  for (const [index, name] of names.entries()) {
    const found =
      shipped.find((policy) => policy.name === name) ??
      (policyName.test(name) && folder !== null ? await loadFrom(folder, name) : `no policy named ${JSON.stringify(name)}`)
    if (typeof found === 'string') problems.push(`policies[${index}]: ${found}`)
    else if (names.indexOf(name) !== index) problems.push(`policies[${index}]: ${name} is listed twice`)
    else policies.push(found)
  }
  return { policies, problems }
}

async function loadFrom(folder: string, name: string): Promise<Policy | string> {
  let files: readonly string[]
  try {
    files = await readdir(join(folder, name))
  } catch (error) {
    return `no folder ${name} in ${folder} (${errorCode(error)})`
  }
  const file = ['policy.ts', 'policy.js'].find((each) => files.includes(each))
  if (file === undefined) return `${join(folder, name)} has no policy.ts`
  const path = resolve(folder, name, file)
  try {
    const { policy }: { policy?: unknown } = await import(pathToFileURL(path).href)
    if (!isPolicy(policy)) return `${path} exports no policy with a name and open()`
    return policy.name === name ? policy : `${path} exports a policy named ${JSON.stringify(policy.name)}, expected ${name}`
  } catch (error) {
    return `${path} does not load: ${messageOf(error)}`
  }
}

function isPolicy(value: unknown): value is Policy {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'open' in value &&
    typeof value.open === 'function'
  )
}
