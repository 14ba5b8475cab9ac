package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/transparency-dev/formats/log"
	f_note "github.com/transparency-dev/formats/note"
	f_proof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/formats/witness"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// served is a ledger that is served over HTTP, seen with the tools of others.
type served struct {
	base   string
	token  string
	client *http.Client
}

// RoundTrip asks as an auditor, and again where the service says that it was asked too often.
func (s *served) RoundTrip(request *http.Request) (*http.Response, error) {
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	for {
		answer, err := http.DefaultTransport.RoundTrip(request)
		if err != nil || answer.StatusCode != http.StatusTooManyRequests {
			return answer, err
		}
		_ = answer.Body.Close()
		time.Sleep(500 * time.Millisecond)
	}
}

// get returns an answer of status 200 and its headers.
func (s *served) get(path string) ([]byte, http.Header, error) {
	answer, err := s.client.Get(s.base + path)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", path, answer.StatusCode)
	}
	return body, answer.Header, err
}

// check holds a served ledger against the tools and tells what held; the first thing that does not hold is the error.
// The policy is nil where no quorum is asked for.
func check(ctx context.Context, base, vkey, token string, policy []byte, tell func(string, ...any)) error {
	s := &served{base: base, token: token}
	s.client = &http.Client{Transport: s}

	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("x/mod note.NewVerifier: %w", err)
	}
	raw, headers, err := s.get("checkpoint")
	if err != nil {
		return err
	}
	if got := headers.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		return fmt.Errorf("checkpoint: Content-Type %q", got)
	}
	if _, err := note.Open(raw, note.VerifierList(verifier)); err != nil {
		return fmt.Errorf("x/mod note.Open: %w", err)
	}
	formatsVerifier, err := f_note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("formats NewVerifier: %w", err)
	}
	head, _, _, err := log.ParseCheckpoint(raw, verifier.Name(), formatsVerifier)
	if err != nil {
		return fmt.Errorf("formats ParseCheckpoint: %w", err)
	}
	tell("checkpoint of %d entries: x/mod note.Open, formats ParseCheckpoint", head.Size)

	if policy != nil {
		group, err := witness.ParsePolicy(policy)
		if err != nil {
			return fmt.Errorf("formats ParsePolicy: %w", err)
		}
		if !group.Satisfied(raw) {
			return errors.New("the policy is not satisfied")
		}
		tell("policy: the quorum has cosigned, formats ParsePolicy, Satisfied")
	}

	root, err := url.Parse(base)
	if err != nil {
		return err
	}
	fetcher, err := client.NewHTTPFetcher(root, s.client)
	if err != nil {
		return err
	}
	if err := fsck.New(verifier.Name(), formatsVerifier, fetcher, leafHashes, fsck.Opts{N: 4}).Check(ctx); err != nil {
		return fmt.Errorf("tessera fsck: %w", err)
	}
	tell("tessera fsck: every entry bundle and tile")

	roots, err := rootsOf(ctx, fetcher, head.Size)
	if err != nil {
		return err
	}
	proofs, err := s.checkProofs(ctx, fetcher, head, roots)
	if err != nil {
		return err
	}
	tell("%d proofs of inclusion and consistency, of tessera, x/mod and the service: alike, and good for merkle and x/mod", proofs)
	texts, err := s.checkTexts(verifier, head.Size)
	if err != nil {
		return err
	}
	tell("%d proofs as one text: formats TLogProof", texts)
	return nil
}

// leafHashes reads an entry bundle.
func leafHashes(bundle []byte) ([][]byte, error) {
	entries := api.EntryBundle{}
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(entries.Entries))
	for _, entry := range entries.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}

// sizes are those of trees between which proofs are made: about the borders of tiles of both levels, and the last.
func sizes(last uint64) []uint64 {
	all := []uint64{1, 2, 3, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, last}
	all = slices.DeleteFunc(all, func(size uint64) bool { return size > last })
	slices.Sort(all)
	return slices.Compact(all)
}

// rootsOf computes the roots of the trees of all those sizes from the entries alone.
func rootsOf(ctx context.Context, fetcher *client.HTTPFetcher, last uint64) (map[uint64][]byte, error) {
	roots := map[uint64][]byte{}
	wanted := sizes(last)
	growing := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	getSize := func(context.Context) (uint64, error) { return last, nil }
	for bundle, err := range client.EntryBundles(ctx, 4, getSize, fetcher.ReadEntryBundle, 0, last) {
		if err != nil {
			return nil, err
		}
		hashes, err := leafHashes(bundle.Data)
		if err != nil {
			return nil, err
		}
		for _, hash := range hashes {
			if err := growing.Append(hash, nil); err != nil {
				return nil, err
			}
			if slices.Contains(wanted, growing.End()) {
				root, err := growing.GetRootHash(nil)
				if err != nil {
					return nil, err
				}
				roots[growing.End()] = root
			}
		}
	}
	return roots, nil
}

// tiles reads tiles for x/mod, whose paths name their height.
type tiles struct {
	ctx     context.Context
	fetcher *client.HTTPFetcher
}

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, 0, len(wanted))
	for _, tile := range wanted {
		octets, err := t.fetcher.ReadTile(t.ctx, uint64(tile.L), uint64(tile.N), uint8(tile.W%256))
		if err != nil {
			return nil, err
		}
		data = append(data, octets)
	}
	return data, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

type told struct {
	Leaf     []byte   `json:"leaf"`
	Root     []byte   `json:"root"`
	FromRoot []byte   `json:"fromRoot"`
	ToRoot   []byte   `json:"toRoot"`
	Hashes   [][]byte `json:"hashes"`
}

func (s *served) ask(path string) (told, error) {
	var answer told
	body, _, err := s.get(path)
	if err != nil {
		return answer, err
	}
	return answer, json.Unmarshal(body, &answer)
}

func (s *served) checkProofs(ctx context.Context, fetcher *client.HTTPFetcher, head *log.Checkpoint, roots map[uint64][]byte) (int, error) {
	hasher := rfc6962.DefaultHasher
	reader := tlog.TileHashReader(tlog.Tree{N: int64(head.Size), Hash: tlog.Hash(head.Hash)}, tiles{ctx, fetcher})
	count := 0
	for _, size := range sizes(head.Size) {
		builder, err := client.NewProofBuilder(ctx, size, fetcher.ReadTile)
		if err != nil {
			return count, err
		}
		for _, index := range []uint64{0, size / 2, size - 1} {
			hashes, err := builder.InclusionProof(ctx, index)
			if err != nil {
				return count, fmt.Errorf("tessera InclusionProof(%d of %d): %w", index, size, err)
			}
			ours, err := s.ask(fmt.Sprintf("v1/proof/inclusion?index=%d&size=%d", index, size))
			if err != nil {
				return count, err
			}
			if err := proof.VerifyInclusion(hasher, index, size, ours.Leaf, ours.Hashes, roots[size]); err != nil {
				return count, fmt.Errorf("merkle VerifyInclusion(%d of %d): %w", index, size, err)
			}
			theirs, err := tlog.ProveRecord(int64(size), int64(index), reader)
			if err != nil {
				return count, fmt.Errorf("x/mod ProveRecord(%d of %d): %w", index, size, err)
			}
			if err := tlog.CheckRecord(theirs, int64(size), tlog.Hash(roots[size]), int64(index), tlog.Hash(ours.Leaf)); err != nil {
				return count, fmt.Errorf("x/mod CheckRecord(%d of %d): %w", index, size, err)
			}
			if !alike(ours.Hashes, hashes) || !alike(ours.Hashes, octetsOf(theirs)) || !bytes.Equal(ours.Root, roots[size]) {
				return count, fmt.Errorf("proofs of inclusion differ: %d of %d", index, size)
			}
			count++
		}
		for _, smaller := range sizes(size) {
			hashes, err := builder.ConsistencyProof(ctx, smaller, size)
			if err != nil {
				return count, fmt.Errorf("tessera ConsistencyProof(%d, %d): %w", smaller, size, err)
			}
			ours, err := s.ask(fmt.Sprintf("v1/proof/consistency?from=%d&to=%d", smaller, size))
			if err != nil {
				return count, err
			}
			if err := proof.VerifyConsistency(hasher, smaller, size, ours.Hashes, roots[smaller], roots[size]); err != nil {
				return count, fmt.Errorf("merkle VerifyConsistency(%d, %d): %w", smaller, size, err)
			}
			theirs, err := tlog.ProveTree(int64(size), int64(smaller), reader)
			if err != nil {
				return count, fmt.Errorf("x/mod ProveTree(%d, %d): %w", smaller, size, err)
			}
			if err := tlog.CheckTree(theirs, int64(size), tlog.Hash(roots[size]), int64(smaller), tlog.Hash(roots[smaller])); err != nil {
				return count, fmt.Errorf("x/mod CheckTree(%d, %d): %w", smaller, size, err)
			}
			if !alike(ours.Hashes, hashes) || !alike(ours.Hashes, octetsOf(theirs)) {
				return count, fmt.Errorf("proofs of consistency differ: %d, %d", smaller, size)
			}
			if !bytes.Equal(ours.FromRoot, roots[smaller]) || !bytes.Equal(ours.ToRoot, roots[size]) {
				return count, fmt.Errorf("roots differ: %d, %d", smaller, size)
			}
			count++
		}
	}
	return count, nil
}

// checkTexts reads proofs of entries in the form of C2SP tlog-proof.
func (s *served) checkTexts(verifier note.Verifier, size uint64) (int, error) {
	count := 0
	for _, index := range []uint64{0, size / 3, size - 1} {
		text, _, err := s.get(fmt.Sprintf("v1/proof/tlog?index=%d", index))
		if err != nil {
			return count, err
		}
		var told f_proof.TLogProof
		if err := told.Unmarshal(text); err != nil {
			return count, fmt.Errorf("formats TLogProof(%d): %w", index, err)
		}
		if !bytes.Equal(told.Marshal(), text) {
			return count, fmt.Errorf("formats TLogProof(%d) is written otherwise", index)
		}
		head, _, _, err := log.ParseCheckpoint(told.Checkpoint, verifier.Name(), verifier)
		if err != nil {
			return count, err
		}
		hashes := make([][]byte, 0, len(told.Hashes))
		for _, hash := range told.Hashes {
			hashes = append(hashes, hash[:])
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(told.ExtraData)
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, told.Index, head.Size, leaf, hashes, head.Hash); err != nil {
			return count, fmt.Errorf("merkle VerifyInclusion of TLogProof(%d): %w", index, err)
		}
		count++
	}
	return count, nil
}

func octetsOf[P ~[]tlog.Hash](hashes P) [][]byte {
	octets := make([][]byte, 0, len(hashes))
	for _, hash := range hashes {
		octets = append(octets, hash[:])
	}
	return octets
}

func alike(some, others [][]byte) bool { return slices.EqualFunc(some, others, bytes.Equal) }
