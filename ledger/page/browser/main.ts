/** The one program of the page: where there is no document it is the worker. */
import { startPage } from './app.ts'
import { serveQuestions } from './worker.ts'

if (typeof document === 'undefined') serveQuestions(self as never)
else startPage()
