import {
  Alert,
  Button,
  Drawer,
  DrawerContent,
  DrawerContentBody,
  Nav,
  NavGroup,
  NavItem,
  NavList,
  Page,
  PageSidebar,
  PageSidebarBody,
  SkipToContent,
  Spinner,
} from '@patternfly/react-core'
import { memo, Suspense, useEffect, useState } from 'react'
import { Link, Outlet, ScrollRestoration, useLocation, useNavigation } from 'react-router'
import { useOnline } from '@/api/feed'
import { paths } from '@/paths'
import { useMe } from '@/session'
import { t } from '@/text'
import { feed } from './live'
import { Masthead } from './Masthead'
import { navigation } from './nav'
import { Palette } from './Palette'
import { TaskDrawer } from './TaskDrawer'
import { Toasts } from './toasts'

/** Frame is what stands around every page of somebody who is signed in. */
export function Frame() {
  const [tasks, setTasks] = useState(false)
  const [palette, setPalette] = useState(false)

  useEffect(() => {
    feed.start()
    const onKey = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') {
        e.preventDefault()
        setPalette(true)
      }
    }
    addEventListener('keydown', onKey)
    return () => {
      removeEventListener('keydown', onKey)
      feed.stop()
    }
  }, [])

  return (
    <>
      <Page
        isManagedSidebar
        isContentFilled
        mainContainerId="main"
        masthead={<Masthead onTasks={() => setTasks(!tasks)} onSearch={() => setPalette(true)} />}
        sidebar={<Sidebar />}
        skipToContent={<SkipToContent href="#main">{t.skip}</SkipToContent>}
      >
        <Drawer isExpanded={tasks} isInline={false} position="end">
          <DrawerContent panelContent={tasks ? <TaskDrawer onClose={() => setTasks(false)} /> : undefined}>
            <Body />
          </DrawerContent>
        </Drawer>
      </Page>
      {palette && <Palette onClose={() => setPalette(false)} />}
      <Toasts />
      <ScrollRestoration />
    </>
  )
}

// What changes with each page; the frame around it stays as it is.
function Body() {
  const online = useOnline(feed)
  const going = useNavigation().state === 'loading'
  return (
    <DrawerContentBody className="atoll-body" aria-busy={going}>
      {!online && <Alert variant="warning" isInline title={t.offline} role="status" />}
      <Suspense fallback={<Spinner aria-label={t.loading} />}>
        <Outlet />
      </Suspense>
    </DrawerContentBody>
  )
}

function Sidebar() {
  const me = useMe()
  return (
    <PageSidebar>
      <PageSidebarBody>
        <Nav aria-label={t.nav.label}>
          <NavList>
            <Item to={paths.home} label={t.nav.home} />
          </NavList>
          {navigation(me).map((g) => (
            <NavGroup key={g.label} title={g.label}>
              {g.items.map((i) => (
                <Item key={i.to} {...i} />
              ))}
            </NavGroup>
          ))}
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  )
}

// Each looks for itself whether it is where people are: a list of PatternFly's that is
// drawn again asks for the page's style and has all of it computed at once.
function Item({ to, label }: { to: string; label: string }) {
  const here = useLocation().pathname
  return <Entry to={to} label={label} isActive={here === to || (to !== paths.home && here.startsWith(`${to}/`))} />
}

const Entry = memo(({ to, label, isActive }: { to: string; label: string; isActive: boolean }) => (
  <NavItem isActive={isActive} itemId={to}>
    <Link to={to}>{label}</Link>
  </NavItem>
))

/** Crashed is shown when a page could not be read or has a defect; see routes.tsx. */
export function ReloadButton() {
  return <Button onClick={() => location.reload()}>{t.error.reload}</Button>
}
