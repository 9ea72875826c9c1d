import {
  Brand,
  Button,
  Divider,
  DropdownGroup,
  DropdownItem,
  MastheadBrand,
  MastheadContent,
  MastheadLogo,
  MastheadMain,
  MastheadToggle,
  MenuToggle,
  NotificationBadge,
  PageToggleButton,
  Masthead as PFMasthead,
  Toolbar,
  ToolbarContent,
  ToolbarGroup,
  ToolbarItem,
} from '@patternfly/react-core'
import MoonIcon from '@patternfly/react-icons/dist/esm/icons/moon-icon'
import SearchIcon from '@patternfly/react-icons/dist/esm/icons/search-icon'
import SunIcon from '@patternfly/react-icons/dist/esm/icons/sun-icon'
import TasksIcon from '@patternfly/react-icons/dist/esm/icons/tasks-icon'
import UserIcon from '@patternfly/react-icons/dist/esm/icons/user-icon'
import { useQuery } from '@tanstack/react-query'
import { type RefObject, useRef, useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { api, client } from '@/api/client'
import { queries } from '@/api/queries'
import { paths } from '@/paths'
import { useMe } from '@/session'
import { t } from '@/text'
import { OpenMenu } from '@/ui/Menu'
import { ScopeSwitcher } from './ScopeSwitcher'
import { runningTasks } from './tasks'
import { setDark, useDark } from './theme'

/** Masthead is the bar at the top: brand, scope, search, tasks, theme, and who is signed in. */
export function Masthead({ onTasks, onSearch }: { onTasks: () => void; onSearch: () => void }) {
  const dark = useDark()
  const running = useQuery(runningTasks).data?.items.length ?? 0
  const brand = useQuery(api.queryOptions('get', '/api/v1/branding')).data
  return (
    <PFMasthead>
      <MastheadMain>
        <MastheadToggle>
          <PageToggleButton isHamburgerButton aria-label={t.nav.toggle} />
        </MastheadToggle>
        <MastheadBrand>
          <MastheadLogo component={(p) => <Link {...p} to={paths.home} />}>
            {brand?.logo_url ? (
              <Brand src={brand.logo_url} alt={brand.display_name} heights={{ default: '36px' }} />
            ) : (
              <span className="atoll-brand">{brand?.display_name ?? t.product}</span>
            )}
          </MastheadLogo>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <Toolbar isStatic>
          <ToolbarContent>
            <ToolbarItem>
              <ScopeSwitcher />
            </ToolbarItem>
            <ToolbarGroup align={{ default: 'alignEnd' }} variant="action-group-plain">
              <ToolbarItem>
                <Button
                  variant="plain"
                  aria-label={t.palette.open}
                  title="Ctrl-K"
                  icon={<SearchIcon />}
                  onClick={onSearch}
                />
              </ToolbarItem>
              <ToolbarItem>
                <NotificationBadge
                  variant={running > 0 ? 'unread' : 'read'}
                  count={running}
                  icon={<TasksIcon />}
                  aria-label={`${t.tasks.open}, ${t.tasks.running(running)}`}
                  onClick={onTasks}
                />
              </ToolbarItem>
              <ToolbarItem>
                <Button
                  variant="plain"
                  aria-label={t.theme.switch}
                  icon={dark ? <SunIcon /> : <MoonIcon />}
                  onClick={() => setDark(!dark)}
                />
              </ToolbarItem>
              <ToolbarItem>
                <UserMenu links={brand?.links ?? []} />
              </ToolbarItem>
            </ToolbarGroup>
          </ToolbarContent>
        </Toolbar>
      </MastheadContent>
    </PFMasthead>
  )
}

type Links = { label: string; url: string }[]

function UserMenu({ links }: { links: Links }) {
  const me = useMe()
  const [open, setOpen] = useState(false)
  const toggle = useRef<HTMLButtonElement>(null)
  return (
    <>
      <MenuToggle
        ref={toggle}
        isExpanded={open}
        onClick={() => setOpen(!open)}
        icon={<UserIcon />}
        variant="plainText"
        className="atoll-user"
        aria-label={`${t.session.profile}: ${me.user.name}`}
      >
        <span className="atoll-who">{me.user.name}</span>
      </MenuToggle>
      {open && <UserActions links={links} toggle={toggle} onClose={() => setOpen(false)} />}
    </>
  )
}

type UserActionsProps = { links: Links; toggle: RefObject<HTMLButtonElement | null>; onClose: () => void }

// It goes to other pages, so that it is drawn with each change of page while it is there.
function UserActions({ links, toggle, onClose }: UserActionsProps) {
  const navigate = useNavigate()
  const signOut = async () => {
    await client.POST('/api/v1/logout')
    queries.clear()
    navigate(paths.login)
  }
  return (
    <OpenMenu toggle={toggle} onClose={onClose}>
      <DropdownItem onClick={() => navigate(paths.profile)}>{t.session.profile}</DropdownItem>
      <DropdownItem to="/docs" target="_blank">
        {t.nav.docs}
      </DropdownItem>
      {links.length > 0 && (
        <DropdownGroup>
          {links.map((l) => (
            <DropdownItem key={l.url} to={l.url} target="_blank" rel="noreferrer">
              {l.label}
            </DropdownItem>
          ))}
        </DropdownGroup>
      )}
      <Divider />
      <DropdownItem onClick={signOut}>{t.session.out}</DropdownItem>
    </OpenMenu>
  )
}
