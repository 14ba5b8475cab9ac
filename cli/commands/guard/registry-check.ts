import { parseRegistry } from '#guard'
import { checkFile } from '../../subjects/check-file.ts'
import { hazardList } from '../../subjects/hazards.ts'

export const run = checkFile((text, path, args) => {
  const { parties } = parseRegistry(text, path, hazardList(args))
  const experts = parties.filter(({ role }) => role === 'expert').length
  const guardians = parties.length - experts
  return { facts: { experts, guardians }, line: `${experts} experts and ${guardians} Guardians` }
})
