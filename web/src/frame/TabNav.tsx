import { NavLink } from 'react-router'

export type TabItem = { to: string; label: string }

/** TabNav are the parts of an object's page, each with an address of its own; the first is the object's. */
export function TabNav({ label, tabs }: { label: string; tabs: TabItem[] }) {
  return (
    <nav aria-label={label} className="atoll-tabs">
      <ul>
        {tabs.map((tab, i) => (
          <li key={tab.to}>
            <NavLink to={tab.to} end={i === 0} preventScrollReset>
              {tab.label}
            </NavLink>
          </li>
        ))}
      </ul>
    </nav>
  )
}
