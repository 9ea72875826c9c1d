package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func locationView(l *cloud.Location) api.Location {
	return api.Location{ID: string(l.ID), Name: l.Name, Description: l.Description, Meta: metaView(l.Meta)}
}

// LocationIn names a location in the path.
type LocationIn struct {
	Location string `path:"location" doc:"Id or name."`
}

// locationID finds the id of a location that a caller names; "" for none.
func (s *Server) locationID(ctx context.Context, r *control.Request, ref string) (cloud.LocationID, error) {
	if ref == "" || cloud.IsID(ref) {
		return cloud.LocationID(ref), nil
	}
	l, err := s.control.Location(ctx, r, ref)
	if err != nil {
		return "", err
	}
	return l.ID, nil
}

func (s *Server) registerLocations() {
	const tag, all, one = "Locations", "/locations", "/locations/{location}"
	add(s, get(all, "list-locations", tag, "List locations"), s.locationList)
	add(s, post(all, "create-location", tag, "Create a location"), s.locationCreate)
	add(s, get(one, "get-location", tag, "Show a location"), s.locationGet)
	add(s, patch(one, "update-location", tag, "Change a location"), s.locationUpdate)
	add(s, remove(one, "delete-location", tag, "Delete an empty location"), s.locationDelete)
}

func (s *Server) locationList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Location], error) {
	list, next, err := s.control.Locations(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, locationView), nil
}

type locationCreate struct {
	Creating
	Body api.LocationCreate
}

func (s *Server) locationCreate(ctx context.Context, r *control.Request, in *locationCreate) (*created[api.Location], error) {
	l := &cloud.Location{Name: in.Body.Name, Description: in.Body.Description}
	if err := s.control.CreateLocation(ctx, r, l); err != nil {
		return nil, err
	}
	return newObject("/locations", l.ID, l.Meta, locationView(l)), nil
}

func (s *Server) locationGet(ctx context.Context, r *control.Request, in *LocationIn) (*body[api.Location], error) {
	l, err := s.control.Location(ctx, r, in.Location)
	if err != nil {
		return nil, err
	}
	return object(l.Meta, locationView(l)), nil
}

type locationUpdate struct {
	LocationIn
	Versioned
	Body api.LocationUpdate
}

func (s *Server) locationUpdate(ctx context.Context, r *control.Request, in *locationUpdate) (*body[api.Location], error) {
	l, err := s.control.UpdateLocation(ctx, r, in.Location, control.LocationUpdate{Name: in.Body.Name, Description: in.Body.Description})
	if err != nil {
		return nil, err
	}
	return object(l.Meta, locationView(l)), nil
}

type locationDelete struct {
	LocationIn
	Versioned
}

func (s *Server) locationDelete(ctx context.Context, r *control.Request, in *locationDelete) (*none, error) {
	return &none{}, s.control.DeleteLocation(ctx, r, in.Location)
}
