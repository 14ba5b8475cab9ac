package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/transparency-dev/formats/log"
	f_proof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

// written is a log that tessera writes into a folder, each head of which the witnesses of a policy must cosign.
type written struct {
	dir       string
	vkey      string
	size      int
	appender  *tessera.Appender
	shutdown  func(context.Context) error
	reader    tessera.LogReader
	published *tessera.PublicationAwaiter
	witnesses tessera.WitnessGroup
}

// openLog begins a log in an empty folder. policyFor is given the log's key, so that its witnesses can be told of it.
func openLog(ctx context.Context, dir, origin string, policyFor func(vkey string) ([]byte, error)) (*written, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	policy, err := policyFor(vkey)
	if err != nil {
		return nil, err
	}
	witnesses, err := tessera.NewWitnessGroupFromPolicy(policy)
	if err != nil {
		return nil, fmt.Errorf("tessera NewWitnessGroupFromPolicy: %w", err)
	}
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return nil, err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithBatching(256, 20*time.Millisecond).
		WithCheckpointInterval(100*time.Millisecond).
		WithWitnesses(witnesses, &tessera.WitnessOptions{Timeout: 5 * time.Second})
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return nil, err
	}
	published := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 20*time.Millisecond)
	return &written{dir: dir, vkey: vkey, appender: appender, shutdown: shutdown, reader: reader, published: published, witnesses: witnesses}, nil
}

// write appends entries and returns when a head that the witnesses cosigned covers them.
func (w *written) write(ctx context.Context, entries int) error {
	futures := make([]tessera.IndexFuture, 0, entries)
	for range entries {
		futures = append(futures, w.appender.Add(ctx, tessera.NewEntry(fmt.Appendf(nil, "entry %d", w.size))))
		w.size++
	}
	for _, future := range futures {
		if _, _, err := w.published.Await(ctx, future); err != nil {
			return fmt.Errorf("not published: %w", err)
		}
	}
	head, err := w.reader.ReadCheckpoint(ctx)
	if err == nil && !w.witnesses.Satisfied(head) {
		err = fmt.Errorf("the head has no quorum:\n%s", head)
	}
	return err
}

// proof makes the proof of an entry under the published head, as C2SP tlog-proof.
func (w *written) proof(ctx context.Context, index uint64) ([]byte, error) {
	raw, err := w.reader.ReadCheckpoint(ctx)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(w.vkey)
	if err != nil {
		return nil, err
	}
	head, _, _, err := log.ParseCheckpoint(raw, verifier.Name(), verifier)
	if err != nil {
		return nil, err
	}
	builder, err := client.NewProofBuilder(ctx, head.Size, client.FileFetcher{Root: w.dir}.ReadTile)
	if err != nil {
		return nil, err
	}
	hashes, err := builder.InclusionProof(ctx, index)
	if err != nil {
		return nil, err
	}
	told := f_proof.TLogProof{Index: index, Checkpoint: raw, ExtraData: fmt.Appendf(nil, "entry %d", index)}
	for _, hash := range hashes {
		told.Hashes = append(told.Hashes, [32]byte(hash))
	}
	return told.Marshal(), nil
}

// serve serves the folder over HTTP until the process ends.
func (w *written) serve() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { _ = http.Serve(listener, http.FileServer(http.Dir(w.dir))) }()
	return fmt.Sprintf("http://%s/", listener.Addr()), nil
}
