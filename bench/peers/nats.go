package main

import (
	"context"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const subject = "jobs"

// startNATS starts a work queue that removes each job when it is acknowledged:
// nothing is left to read a result from.
func startNATS(ctx context.Context, ran func(int64)) (*system, error) {
	server, err := startServer(ctx, "nats-server", func(dir, port string) []string {
		return []string{"--addr", "127.0.0.1", "--port", port, "--jetstream", "--store_dir", dir}
	})
	if err != nil {
		return nil, err
	}
	conn, err := nats.Connect("nats://" + server.address)
	if err != nil {
		server.stop()
		return nil, err
	}
	stop := func() {
		conn.Close()
		server.stop()
	}
	js, err := workQueue(ctx, conn, ran)
	if err != nil {
		stop()
		return nil, err
	}
	return &system{
		one: func(ctx context.Context, payload int64) error {
			_, err := js.Publish(ctx, subject, strconv.AppendInt(nil, payload, 10))
			return err
		},
		many: func(ctx context.Context, n int) error {
			for range n {
				if _, err := js.PublishAsync(subject, []byte("0")); err != nil {
					return err
				}
			}
			select {
			case <-js.PublishAsyncComplete():
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		},
		stop: stop,
	}, nil
}

func workQueue(ctx context.Context, conn *nats.Conn, ran func(int64)) (jetstream.JetStream, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "JOBS", Subjects: []string{subject}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return nil, err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "worker", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 10000})
	if err != nil {
		return nil, err
	}
	_, err = consumer.Consume(func(m jetstream.Msg) {
		payload, err := strconv.ParseInt(string(m.Data()), 10, 64)
		if err == nil && m.Ack() == nil { // what was not acknowledged comes again
			ran(payload)
		}
	})
	return js, err
}
