package api

// SecondFactor is the state of a user's second factor: codes of six digits by
// time (TOTP, RFC 6238) that go with the password.
type SecondFactor struct {
	Enabled           bool `json:"enabled" doc:"A code is asked for at each sign-in with the password."`
	Required          bool `json:"required" doc:"The installation's settings want it of this user."`
	Enrol             bool `json:"enrol" doc:"It is required and missing: until it is enrolled, this session may do nothing else."`
	RecoveryCodesLeft int  `json:"recovery_codes_left" doc:"How many recovery codes are unused."`
}

// TOTPEnrol begins the enrolment of a second factor, or replaces it.
type TOTPEnrol struct {
	Password string `json:"password,omitempty" maxLength:"1024" doc:"The present one; required if the sign-in is older than 10 minutes, or with a token."`
	Code     string `json:"code,omitempty" maxLength:"32" doc:"A code of the present second factor, to replace it."`
}

// TOTPSecret is what an authenticator app needs. It counts once a code confirmed it.
type TOTPSecret struct {
	Secret     string `json:"secret" doc:"Base32, to type in; it is shown only now." example:"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"`
	OTPAuthURI string `json:"otpauth_uri" doc:"The same as a URI; draw it as a QR code." example:"otpauth://totp/Atoll:ada?secret=JBSWY3DPEHPK3PXP&issuer=Atoll&algorithm=SHA1&digits=6&period=30"`
}

// TOTPCode is a code of the authenticator app, or an unused recovery code.
type TOTPCode struct {
	Code string `json:"code" maxLength:"32" example:"492039"`
}

// RecoveryCodes stand in for codes of a lost app, each once.
type RecoveryCodes struct {
	RecoveryCodes []string `json:"recovery_codes" nullable:"false" doc:"Ten; they are shown only now, and replace all earlier ones." example:"[\"k3tq-9ab2-x7mn-p4rs\"]"`
}
