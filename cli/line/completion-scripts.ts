/** In a bundle the scripts are there already: see bundle.ts. */
import { commands } from '../commands.ts'
import { completionScript, type Shell } from './completion.ts'

export const scriptFor = (shell: Shell): string => completionScript(shell, commands)
