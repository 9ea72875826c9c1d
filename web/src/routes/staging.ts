import type { RouteObject } from 'react-router'

export const staging: RouteObject[] = [
  { path: 'deployments', lazy: () => import('@/pages/deployments/DeploymentsPage') },
  { path: 'deployments/new', lazy: () => import('@/pages/deployments/DeploymentCreatePage') },
  { path: 'deployments/:deployment', lazy: () => import('@/pages/deployments/DeploymentPage') },
  { path: 'deployments/:deployment/edit', lazy: () => import('@/pages/deployments/DeploymentEditPage') },
  { path: 'projects', lazy: () => import('@/pages/projects/ProjectsPage') },
  { path: 'projects/new', lazy: () => import('@/pages/projects/ProjectCreatePage') },
  { path: 'projects/:project', lazy: () => import('@/pages/projects/ProjectPage') },
  { path: 'webhooks', lazy: () => import('@/pages/webhooks/WebhooksPage') },
  { path: 'webhooks/new', lazy: () => import('@/pages/webhooks/WebhookCreatePage') },
  { path: 'webhooks/:webhook', lazy: () => import('@/pages/webhooks/WebhookPage') },
  { path: 'webhooks/:webhook/edit', lazy: () => import('@/pages/webhooks/WebhookEditPage') },
]
