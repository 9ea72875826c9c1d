package rest

import (
	"context"
	"net/http"

	"atoll/api"
	"atoll/internal/control"
)

func (s *Server) registerSecondFactor() {
	const tag, one = "Me", "/me/totp"
	addEnrolling(s, post(one, "enrol-totp", tag, "Begin to enrol a second factor, or to replace it"), s.totpEnrol)
	addEnrolling(s, operation(http.MethodPost, one+"/confirm", "confirm-totp", tag, "Confirm the new second factor by a code of it", http.StatusOK), s.totpConfirm)
	add(s, operation(http.MethodPost, one+"/recovery-codes", "new-recovery-codes", tag, "Make new recovery codes; earlier ones end", http.StatusOK), s.recoveryCodes)
	add(s, operation(http.MethodPost, one+"/disable", "disable-totp", tag, "End one's second factor", http.StatusNoContent), s.totpDisable)
}

// totpEnrol and the others here take no dry run: it would be a way to try codes.
type totpEnrol struct{ Body api.TOTPEnrol }

func (s *Server) totpEnrol(ctx context.Context, r *control.Request, in *totpEnrol) (*body[api.TOTPSecret], error) {
	callOf(ctx).secret = true
	secret, uri, err := s.control.EnrolTOTP(ctx, r, in.Body.Password, in.Body.Code)
	if err != nil {
		return nil, err
	}
	return &body[api.TOTPSecret]{Body: api.TOTPSecret{Secret: secret, OTPAuthURI: uri}}, nil
}

type totpCode struct{ Body api.TOTPCode }

func (s *Server) totpConfirm(ctx context.Context, r *control.Request, in *totpCode) (*body[api.RecoveryCodes], error) {
	return recoveryView(ctx)(s.control.ConfirmTOTP(ctx, r, in.Body.Code))
}

func (s *Server) recoveryCodes(ctx context.Context, r *control.Request, in *totpCode) (*body[api.RecoveryCodes], error) {
	return recoveryView(ctx)(s.control.NewRecoveryCodes(ctx, r, in.Body.Code))
}

func recoveryView(ctx context.Context) func([]string, error) (*body[api.RecoveryCodes], error) {
	callOf(ctx).secret = true
	return func(codes []string, err error) (*body[api.RecoveryCodes], error) {
		if err != nil {
			return nil, err
		}
		return &body[api.RecoveryCodes]{Body: api.RecoveryCodes{RecoveryCodes: codes}}, nil
	}
}

func (s *Server) totpDisable(ctx context.Context, r *control.Request, in *totpCode) (*none, error) {
	return &none{}, s.control.DisableTOTP(ctx, r, in.Body.Code)
}
