import type { RouteObject } from 'react-router'

export const wiki: RouteObject[] = [
  { path: 'spaces', lazy: () => import('@/pages/wiki/SpacesPage') },
  { path: 'spaces/:space', lazy: () => import('@/pages/wiki/SpacePage') },
  { path: 'pages/:space/*', lazy: () => import('@/pages/wiki/WikiPage') },
]
