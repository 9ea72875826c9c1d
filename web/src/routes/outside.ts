import type { RouteObject } from 'react-router'
import { paths } from '@/paths'

/** outside are the pages of people who are not signed in, or not fully. */
export const outside: RouteObject[] = [
  { path: paths.login, lazy: () => import('@/pages/login/LoginPage') },
  { path: paths.setup, lazy: () => import('@/pages/login/SetupPage') },
  { path: paths.enrol, lazy: () => import('@/pages/login/EnrolPage') },
]
