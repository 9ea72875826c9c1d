import type { RouteObject } from 'react-router'

const page = (path: string, lazy: RouteObject['lazy']): RouteObject => ({ path, lazy })

const accountTabs = () => import('@/pages/accounts/tabs')
const cloudspaceTabs = () => import('@/pages/cloudspaces/tabs')

export const tenant: RouteObject[] = [
  page('machines', () => import('@/pages/machines/MachinesPage')),
  page('machines/new', () => import('@/pages/machines/MachineCreatePage')),
  {
    path: 'machines/:machine',
    lazy: () => import('@/pages/machines/MachinePage'),
    children: [
      { index: true, lazy: () => import('@/pages/machines/OverviewTab') },
      page('console', () => import('@/pages/machines/ConsoleTab')),
      page('screen', () => import('@/pages/machines/ScreenTab')),
      page('disks', () => import('@/pages/machines/DisksTab')),
      page('port-forwards', () => import('@/pages/machines/PortForwardsTab')),
      page('timeline', () => import('@/pages/machines/TimelineTab')),
      page('access', () => import('@/pages/machines/AccessTab')),
    ],
  },
  page('cloudspaces', () => import('@/pages/cloudspaces/CloudspacesPage')),
  page('cloudspaces/new', () => import('@/pages/cloudspaces/CloudspaceCreatePage')),
  {
    path: 'cloudspaces/:cloudspace',
    lazy: () => import('@/pages/cloudspaces/CloudspacePage'),
    children: [
      { index: true, lazy: () => import('@/pages/cloudspaces/OverviewTab') },
      page('machines', async () => ({ Component: (await cloudspaceTabs()).MachinesTab })),
      page('port-forwards', async () => ({ Component: (await cloudspaceTabs()).PortForwardsTab })),
      page('topology', () => import('@/pages/cloudspaces/TopologyTab')),
      page('members', async () => ({ Component: (await cloudspaceTabs()).MembersTab })),
      page('quota', async () => ({ Component: (await cloudspaceTabs()).QuotaTab })),
      page('timeline', async () => ({ Component: (await cloudspaceTabs()).TimelineTab })),
    ],
  },
  page('port-forwards', () => import('@/pages/portforwards/PortForwardsPage')),
  page('members', () => import('@/pages/members/MembersPage')),
  page('images', () => import('@/pages/images/ImagesPage')),
  page('images/new', () => import('@/pages/images/ImageCreatePage')),
  page('images/:image', () => import('@/pages/images/ImagePage')),
  page('ssh-keys', () => import('@/pages/sshkeys/SSHKeysPage')),
  page('service-accounts', () => import('@/pages/serviceaccounts/ServiceAccountsPage')),
  page('usage', () => import('@/pages/usage/UsagePage')),
  page('accounts', () => import('@/pages/accounts/AccountsPage')),
  {
    path: 'accounts/:account',
    lazy: () => import('@/pages/accounts/AccountPage'),
    children: [
      { index: true, lazy: async () => ({ Component: (await accountTabs()).OverviewTab }) },
      page('members', async () => ({ Component: (await accountTabs()).MembersTab })),
      page('quota', async () => ({ Component: (await accountTabs()).QuotaTab })),
      page('timeline', async () => ({ Component: (await accountTabs()).TimelineTab })),
    ],
  },
]
