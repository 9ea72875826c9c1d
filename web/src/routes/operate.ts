import type { RouteObject } from 'react-router'

const page = (path: string, lazy: RouteObject['lazy']): RouteObject => ({ path, lazy })

export const operate: RouteObject[] = [
  page('nodes', () => import('@/pages/nodes/NodesPage')),
  page('nodes/:node/edit', () => import('@/pages/nodes/NodeEditPage')),
  {
    path: 'nodes/:node',
    lazy: () => import('@/pages/nodes/NodePage'),
    children: [
      { index: true, lazy: () => import('@/pages/nodes/OverviewTab') },
      page('machines', async () => ({ Component: (await import('@/pages/nodes/tabs')).MachinesTab })),
      page('jobs', async () => ({ Component: (await import('@/pages/nodes/tabs')).JobsTab })),
      page('timeline', async () => ({ Component: (await import('@/pages/nodes/tabs')).TimelineTab })),
    ],
  },
  page('locations', () => import('@/pages/locations/LocationsPage')),
  page('locations/new', async () => ({ Component: (await import('@/pages/locations/LocationForm')).CreatePage })),
  page('locations/:location/edit', async () => {
    const m = await import('@/pages/locations/LocationForm')
    return { Component: m.EditPage, loader: m.editLoader }
  }),
  page('run', () => import('@/pages/run/RunPage')),
  page('jobs', () => import('@/pages/jobs/JobsPage')),
  page('jobs/:job', () => import('@/pages/jobs/JobPage')),
  page('scripts', () => import('@/pages/scripts/ScriptsPage')),
  page('scripts/new', () => import('@/pages/scripts/ScriptUploadPage')),
  page('scripts/:script', () => import('@/pages/scripts/ScriptPage')),
  page('schedules', () => import('@/pages/schedules/SchedulesPage')),
  page('schedules/new', () => import('@/pages/schedules/ScheduleCreatePage')),
  page('schedules/:schedule', () => import('@/pages/schedules/SchedulePage')),
  page('schedules/:schedule/edit', () => import('@/pages/schedules/ScheduleEditPage')),
  page('operations', () => import('@/pages/operations/OperationsPage')),
  page('operations/:operation', () => import('@/pages/operations/OperationPage')),
  page('leftovers', () => import('@/pages/leftovers/LeftoversPage')),
  page('events', () => import('@/pages/events/EventsPage')),
]
