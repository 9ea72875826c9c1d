// Every address of the portal, in one place. Objects are at /KINDs/ID, as in the
// API, so that a link needs nothing but the kind and the id.
const one = (kind: string) => (id: string) => `/${kind}/${id}`
const create = (kind: string) => `/${kind}/new`
/** part is one of the tabs of an object's page. */
export const part = (object: string, tab: string) => `${object}/${tab}`

export const paths = {
  home: '/',
  login: '/login',
  setup: '/setup',
  enrol: '/second-factor',
  profile: '/profile',

  // tenants
  accounts: '/accounts',
  account: one('accounts'),
  cloudspaces: '/cloudspaces',
  cloudspace: one('cloudspaces'),
  cloudspaceCreate: create('cloudspaces'),
  machines: '/machines',
  machine: one('machines'),
  machineCreate: create('machines'),
  images: '/images',
  image: one('images'),
  imageCreate: create('images'),
  portForwards: '/port-forwards',
  sshKeys: '/ssh-keys',
  members: '/members',
  serviceAccounts: '/service-accounts',
  usage: '/usage',

  // product teams
  projects: '/projects',
  project: one('projects'),
  projectCreate: create('projects'),
  deployments: '/deployments',
  deployment: one('deployments'),
  deploymentCreate: create('deployments'),
  deploymentEdit: (id: string) => `/deployments/${id}/edit`,
  webhooks: '/webhooks',
  webhook: one('webhooks'),
  webhookCreate: create('webhooks'),
  webhookEdit: (id: string) => `/webhooks/${id}/edit`,

  // operators
  nodes: '/nodes',
  node: one('nodes'),
  locations: '/locations',
  location: one('locations'),
  locationCreate: create('locations'),
  jobs: '/jobs',
  job: one('jobs'),
  run: '/run',
  scripts: '/scripts',
  script: one('scripts'),
  scriptCreate: create('scripts'),
  schedules: '/schedules',
  schedule: one('schedules'),
  scheduleCreate: create('schedules'),
  operations: '/operations',
  operation: one('operations'),
  leftovers: '/leftovers',
  events: '/events',

  // administration
  users: '/users',
  user: one('users'),
  userCreate: create('users'),
  sizes: '/sizes',
  size: one('sizes'),
  sizeCreate: create('sizes'),
  joinTokens: '/join-tokens',
  settings: '/settings',

  // pages that people write
  spaces: '/spaces',
  space: one('spaces'),
  page: (space: string, slug: string) => `/pages/${space}/${slug.split('/').map(encodeURIComponent).join('/')}`,
} as const

/** The kinds whose objects have a page of their own. */
const pages = new Set([
  'account',
  'cloudspace',
  'deployment',
  'image',
  'job',
  'machine',
  'node',
  'operation',
  'project',
  'schedule',
  'script',
  'space',
  'user',
  'webhook',
])

/** pathOf is the page of an object, if its kind has one. */
export function pathOf(kind: string | undefined, id: string | undefined): string | undefined {
  return kind && id && pages.has(kind) ? `/${kind}s/${id}` : undefined
}

// Where the objects of other kinds are seen: in a list, or on the page of what they lie in.
const lists: Record<string, string> = {
  'join-token': paths.joinTokens,
  leftover: paths.leftovers,
  location: paths.locations,
  membership: paths.members,
  'service-account': paths.serviceAccounts,
  size: paths.sizes,
  'ssh-key': paths.sshKeys,
}
const tabs: Record<string, string> = { disk: 'disks', 'port-forward': 'port-forwards' }

type Found = { kind: string; id: string; name?: string; parent_kind?: string; parent_id?: string }

/** placeOf is where something that a search found is seen. */
export function placeOf(o: Found): string | undefined {
  if (o.kind === 'page') return paths.page(o.parent_id ?? '', o.name ?? '')
  const parent = pathOf(o.parent_kind, o.parent_id)
  const tab = tabs[o.kind]
  return pathOf(o.kind, o.id) ?? lists[o.kind] ?? (parent && tab ? part(parent, tab) : parent)
}
