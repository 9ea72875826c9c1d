// What the navigation holds, by who looks: one code base for tenants, product
// teams and operators. A new area of pages adds its lines here.
import { paths } from '@/paths'
import { canManageSomewhere, canWriteSomewhere, isOperator, isStaff, type Me, seesNodes } from '@/session'
import { t } from '@/text'

export type NavItem = { label: string; to: string }
export type NavGroup = { label: string; items: NavItem[] }

/** navigation is what somebody finds on the left. */
export function navigation(me: Me): NavGroup[] {
  const groups: NavGroup[] = [
    {
      label: t.nav.compute,
      items: [
        { label: t.cloudspaces.title, to: paths.cloudspaces },
        { label: t.machines.title, to: paths.machines },
        { label: t.portForwards.title, to: paths.portForwards },
        { label: t.images.title, to: paths.images },
        { label: t.sshKeys.title, to: paths.sshKeys },
        { label: t.usage.title, to: paths.usage },
        { label: t.members.title, to: paths.members },
        { label: t.serviceAccounts.title, to: paths.serviceAccounts },
      ],
    },
    {
      label: t.nav.products,
      items: [
        { label: t.deployments.title, to: paths.deployments },
        { label: t.projects.title, to: paths.projects },
        { label: t.webhooks.title, to: paths.webhooks },
      ],
    },
    {
      label: t.nav.know,
      items: [
        { label: t.pages.title, to: paths.spaces },
        { label: t.operations.title, to: paths.operations },
        { label: t.events.title, to: paths.events },
      ],
    },
  ]
  if (seesNodes(me))
    groups.push({
      label: t.nav.operate,
      items: [
        { label: t.nodes.title, to: paths.nodes },
        { label: t.locations.title, to: paths.locations },
        ...(isOperator(me) ? [{ label: t.run.title, to: paths.run }] : []),
        { label: t.jobs.title, to: paths.jobs },
        { label: t.scripts.title, to: paths.scripts },
        { label: t.schedules.title, to: paths.schedules },
        { label: t.leftovers.title, to: paths.leftovers },
      ],
    })
  if (isStaff(me))
    groups.push({
      label: t.nav.admin,
      items: [
        { label: t.accounts.title, to: paths.accounts },
        ...(seesNodes(me)
          ? [
              { label: t.users.title, to: paths.users },
              { label: t.sizes.title, to: paths.sizes },
              { label: t.joinTokens.title, to: paths.joinTokens },
            ]
          : []),
        ...(isOperator(me) ? [{ label: t.settings.title, to: paths.settings }] : []),
      ],
    })
  return groups
}

export type Command = { label: string; to: string; words?: string }

// What somebody can begin, by the role.
const toTenants = () => [
  { label: t.machines.create, to: paths.machineCreate },
  { label: t.begin.cloudspace, to: paths.cloudspaceCreate },
  { label: t.begin.image, to: paths.imageCreate },
  { label: t.begin.deployment, to: paths.deploymentCreate },
]
const toAdmins = () => [
  { label: t.begin.project, to: paths.projectCreate },
  { label: t.begin.webhook, to: paths.webhookCreate },
]
const toOperators = () => [
  { label: t.begin.run, to: paths.run },
  { label: t.scripts.upload, to: paths.scriptCreate },
  { label: t.schedules.create, to: paths.scheduleCreate },
  { label: t.nodes.add, to: paths.joinTokens },
  { label: t.begin.map, to: `${paths.nodes}?view=map` },
  { label: t.users.create, to: paths.userCreate },
  { label: t.sizes.create, to: paths.sizeCreate },
  { label: t.locations.create, to: paths.locationCreate },
]

/** commands are what the search offers beside objects: what can be begun, and all pages. */
export function commands(me: Me): Command[] {
  return [
    ...(canWriteSomewhere(me) ? toTenants() : []),
    ...(canManageSomewhere(me) ? toAdmins() : []),
    ...(isOperator(me) && !me.read_only ? toOperators() : []),
    { label: t.nav.home, to: paths.home },
    ...navigation(me).flatMap((g) => g.items.map((i) => ({ ...i, words: g.label }))),
    { label: t.session.profile, to: paths.profile },
  ]
}
