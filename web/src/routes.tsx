// All pages; those of an area are in a file below routes. Each is loaded when somebody goes to it; its module exports Component,
// and loader where it reads something first.
import { createBrowserRouter, type LoaderFunctionArgs, type RouteObject, redirect } from 'react-router'
import { ApiError, setOnSignedOut } from './api/client'
import { queries } from './api/queries'
import { keepDrafts } from './form/draft'
import { Frame } from './frame/Frame'
import { Crash } from './pages/Crash'
import { NotFound } from './pages/NotFound'
import { paths } from './paths'
import { admin } from './routes/admin'
import { operate } from './routes/operate'
import { outside } from './routes/outside'
import { staging } from './routes/staging'
import { tenant } from './routes/tenant'
import { wiki } from './routes/wiki'
import { loadMe } from './session'

// Who is not signed in goes to the sign-in page and comes back.
async function requireMe({ request }: LoaderFunctionArgs) {
  try {
    const me = await loadMe()
    if (me.second_factor?.enrol) return redirect(paths.enrol)
    return null
  } catch (e) {
    if (!(e instanceof ApiError) || e.problem.status !== 401) throw e
    const { pathname, search } = new URL(request.url)
    return redirect(loginPath(pathname + search))
  }
}

const loginPath = (back: string) =>
  back === paths.home ? paths.login : `${paths.login}?return_to=${encodeURIComponent(back)}`

const pages: RouteObject[] = [
  { index: true, lazy: () => import('./pages/home/HomePage') },
  ...tenant,
  ...staging,
  ...operate,
  ...wiki,
  ...admin,
  { path: '*', Component: NotFound },
]

export const router = createBrowserRouter([
  { errorElement: <Crash />, children: outside },
  {
    path: '/',
    loader: requireMe,
    shouldRevalidate: () => false, // the frame's own query says who is signed in
    element: <Frame />,
    errorElement: <Crash />,
    hydrateFallbackElement: <></>,
    children: [{ errorElement: <Crash inside />, children: pages }],
  },
])

// A session that ended while somebody works: what is typed is kept, and signing in
// comes back to it.
setOnSignedOut(() => {
  const { pathname, search } = router.state.location
  if (pathname === paths.login) return
  keepDrafts()
  queries.clear()
  void router.navigate(loginPath(pathname + search), { state: { ended: true } })
})
