package store

import (
	"encoding/json"
	"fmt"

	"atoll/internal/cloud"
)

// The settings of the installation that its admins make are one JSON object, and
// the logo another, which is read for itself.
const (
	settingSettings = "settings"
	settingLogo     = "logo"
)

// Settings returns the installation's settings; those of a new one if nobody set any.
func (tx *Tx) Settings() (*cloud.Settings, error) {
	text, err := tx.Setting(settingSettings)
	if err != nil {
		return nil, err
	}
	return settingsOf(text)
}

// LockSettings is Settings and keeps others that call it waiting until the
// transaction ends.
func (tx *Tx) LockSettings() (*cloud.Settings, error) {
	text, err := tx.LockSetting(settingSettings)
	if err != nil {
		return nil, err
	}
	return settingsOf(text)
}

func settingsOf(text string) (*cloud.Settings, error) {
	v := &cloud.Settings{SecondFactor: cloud.SecondFactorNone, Meta: cloud.Meta{Version: 1}} // so that the first change too can name what it changes
	if text == "" {
		return v, nil
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return v, nil
}

// SetSettings writes the settings that LockSettings returned, with a new version.
func (tx *Tx) SetSettings(v *cloud.Settings) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	if v.CreatedAt == 0 {
		v.CreatedAt = now
	}
	v.UpdatedAt = now
	v.Version++
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.SetSetting(settingSettings, string(text))
}

// Logo returns the installation's logo; NotFound if there is none.
func (tx *Tx) Logo() (*cloud.Logo, error) {
	text, err := tx.Setting(settingLogo)
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, cloud.Errorf(cloud.NotFound, "the installation has no logo")
	}
	v := &cloud.Logo{}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return nil, fmt.Errorf("logo: %w", err)
	}
	return v, nil
}

// SetLogo sets the logo; nil removes it.
func (tx *Tx) SetLogo(v *cloud.Logo) error {
	if v == nil {
		return tx.SetSetting(settingLogo, "")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.SetSetting(settingLogo, string(text))
}
