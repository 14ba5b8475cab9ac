// Command interop holds a served ledger against tools that nobody of this project wrote, and lets them write a log of which seats of this project are the
// witnesses. It is driven by ../interop.ts.
//
//	interop check URL VKEY TOKEN [POLICY]    tells what holds, a line each
//	interop write DIR ORIGIN                 takes and tells JSON, a line each: see session
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// request asks for one thing of a log that is written: the first brings the policy, others entries to write or an entry to prove.
type request struct {
	Policy string  `json:"policy"`
	Write  int     `json:"write"`
	Prove  *uint64 `json:"prove"`
}

// answer tells the key at first, then what became of each request.
type answer struct {
	Vkey  string `json:"vkey,omitempty"`
	URL   string `json:"url,omitempty"`
	Size  int    `json:"size,omitempty"`
	Proof string `json:"proof,omitempty"`
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case (len(args) == 4 || len(args) == 5) && args[0] == "check":
		var policy []byte
		if len(args) == 5 {
			var err error
			if policy, err = os.ReadFile(args[4]); err != nil {
				return err
			}
		}
		return check(ctx, args[1], args[2], args[3], policy, func(form string, values ...any) { fmt.Printf(form+"\n", values...) })
	case len(args) == 3 && args[0] == "write":
		return session(ctx, args[1], args[2], os.Stdin, os.Stdout)
	default:
		return errors.New("expected check URL VKEY TOKEN [POLICY], or write DIR ORIGIN")
	}
}

// session writes a log as it is asked to, until there are no more requests.
func session(ctx context.Context, dir, origin string, from io.Reader, to io.Writer) error {
	requests := bufio.NewScanner(from)
	next := func(asked *request) error {
		if !requests.Scan() {
			return errors.Join(io.EOF, requests.Err())
		}
		return json.Unmarshal(requests.Bytes(), asked)
	}
	answers := json.NewEncoder(to)
	log, err := openLog(ctx, dir, origin, func(vkey string) ([]byte, error) {
		if err := answers.Encode(answer{Vkey: vkey}); err != nil {
			return nil, err
		}
		var asked request
		err := next(&asked)
		return []byte(asked.Policy), err
	})
	if err != nil {
		return err
	}
	url, err := log.serve()
	if err != nil {
		return err
	}
	for {
		var asked request
		if err := next(&asked); errors.Is(err, io.EOF) {
			return log.shutdown(ctx)
		} else if err != nil {
			return err
		}
		told := answer{URL: url}
		if asked.Prove != nil {
			proof, err := log.proof(ctx, *asked.Prove)
			if err != nil {
				return err
			}
			told.Proof = string(proof)
		} else if err := log.write(ctx, asked.Write); err != nil {
			return err
		}
		told.Size = log.size
		if err := answers.Encode(told); err != nil {
			return err
		}
	}
}
