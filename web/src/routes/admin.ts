import type { RouteObject } from 'react-router'

const page = (path: string, lazy: RouteObject['lazy']): RouteObject => ({ path, lazy })

export const admin: RouteObject[] = [
  page('profile', () => import('@/pages/profile/ProfilePage')),
  page('settings', () => import('@/pages/settings/SettingsPage')),
  page('users', () => import('@/pages/users/UsersPage')),
  page('users/new', () => import('@/pages/users/UserCreatePage')),
  page('users/:user/edit', () => import('@/pages/users/UserEditPage')),
  {
    path: 'users/:user',
    lazy: () => import('@/pages/users/UserPage'),
    children: [
      { index: true, lazy: () => import('@/pages/users/OverviewTab') },
      page('access', async () => ({ Component: (await import('@/pages/users/tabs')).AccessTab })),
      page('timeline', async () => ({ Component: (await import('@/pages/users/tabs')).TimelineTab })),
    ],
  },
  page('sizes', () => import('@/pages/sizes/SizesPage')),
  page('sizes/new', async () => ({ Component: (await import('@/pages/sizes/SizeForm')).CreatePage })),
  page('sizes/:size/edit', async () => {
    const m = await import('@/pages/sizes/SizeForm')
    return { Component: m.EditPage, loader: m.editLoader }
  }),
  page('join-tokens', () => import('@/pages/jointokens/JoinTokensPage')),
]
