import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { pageBundle } from '../kernel.ts'

test('pages are bundled one after the other, once each, and again after a failure', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'page bundle '))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const style = join(folder, 'page.css')
  await writeFile(style, 'p { color: red }')
  const source = async (name: string, text: string) => {
    const path = join(folder, name)
    await writeFile(path, text)
    return path
  }
  const one = await source(
    'one.ts',
    `import { InfraFabricError } from '#kernel'\ndocument.title = new InfraFabricError('a.b', 'one').code as string`
  )
  const two = await source('two.ts', `document.title = 'two'`)
  const broken = await source('broken.ts', 'document.title = ')
  const first = pageBundle({ programs: [one, two], style }, (made) => made)
  const second = pageBundle({ programs: [two], style }, ({ programs }) => programs[0]!)
  const third = pageBundle({ programs: [broken], style }, ({ programs }) => programs[0]!)
  const [made, again, text] = await Promise.all([first(), first(), second(), t.throwsAsync(third(), { message: /broken\.ts/ })])
  t.is(made, again)
  t.is(made.programs.length, 2)
  t.regex(made.programs[0]!, /extends Error/)
  t.is(made.programs[1], text)
  t.is(made.style, 'p{color:red}')
  await writeFile(broken, `document.title = 'mended'`)
  t.regex(await third(), /mended/)
})
