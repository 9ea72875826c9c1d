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
import { Suspense, useEffect, useState } from 'react'
import { NavLink, Outlet, ScrollRestoration, useLocation, useNavigation } from 'react-router'
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
  const online = useOnline(feed)
  const going = useNavigation().state === 'loading'

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
            <DrawerContentBody className="atoll-body" aria-busy={going}>
              {!online && <Alert variant="warning" isInline title={t.offline} role="status" />}
              <Suspense fallback={<Spinner aria-label={t.loading} />}>
                <Outlet />
              </Suspense>
            </DrawerContentBody>
          </DrawerContent>
        </Drawer>
      </Page>
      {palette && <Palette onClose={() => setPalette(false)} />}
      <Toasts />
      <ScrollRestoration />
    </>
  )
}

function Sidebar() {
  const me = useMe()
  const here = useLocation().pathname
  return (
    <PageSidebar>
      <PageSidebarBody>
        <Nav aria-label={t.nav.label}>
          <NavList>
            <Item to={paths.home} label={t.nav.home} isActive={here === '/'} />
          </NavList>
          {navigation(me).map((g) => (
            <NavGroup key={g.label} title={g.label}>
              {g.items.map((i) => (
                <Item key={i.to} {...i} isActive={here === i.to || here.startsWith(`${i.to}/`)} />
              ))}
            </NavGroup>
          ))}
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  )
}

function Item({ to, label, isActive }: { to: string; label: string; isActive: boolean }) {
  return (
    <NavItem isActive={isActive} itemId={to}>
      <NavLink to={to}>{label}</NavLink>
    </NavItem>
  )
}

/** Crashed is shown when a page could not be read or has a defect; see routes.tsx. */
export function ReloadButton() {
  return <Button onClick={() => location.reload()}>{t.error.reload}</Button>
}
