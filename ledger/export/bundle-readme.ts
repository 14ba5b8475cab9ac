/** The text by which somebody who has nothing but a bundle can check it. */
import { parseVerifierKey } from '../log/note.ts'
import { filterJson } from './filter-json.ts'
import type { ExportView } from './view.ts'

/** Text of others inside backquotes. */
const quoted = (text: string): string =>
  `\`${text.replace(/[`\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)}\``

export interface BundleFacts {
  readonly entries: number
  readonly page: boolean
  /** Public keys, oldest first. */
  readonly keys: readonly string[]
  /** Changes of key that the bundle proves, and such that it cannot. */
  readonly rotations: number
  readonly missing: number
}

export function bundleReadme(view: ExportView, { entries, page, keys, rotations, missing }: BundleFacts): string {
  const { origin, size, root } = view
  const conditions = Object.entries(filterJson(view.filter))
    .map(([name, value]) => `${name} = ${quoted(String(value))}`)
    .join(', ')
  return `# Evidence from the log ${quoted(origin)}

| | |
|---|---|
| holds | ${view.whole ? `the whole log: ${entries} entries` : `${entries} of ${size} entries: ${conditions}`} |
| head | ${size} entries, root ${quoted(root.toString('base64'))} |
| signed by | ${keys.map((key) => quoted(key)).join(', then ')} |
| key hash | ${keys.map((key) => quoted(parseVerifierKey(key).keyHash.toString('hex'))).join(', ')} (as signatures name it) |
${view.policy === null ? '' : '| witnesses | see `policy`; their cosignatures stand in `checkpoint` |\n'}
The log is append-only. Each entry is canonical JSON (RFC 8785) that names the hash of the entry before it, and is a leaf of a Merkle tree (RFC 6962). \`checkpoint\` is
the root of that tree under the log's signature (C2SP tlog-checkpoint, signed-note).

**Do not take the keys from here.** They prove nothing until you compare them with the key that you got from the log's keeper on another way, or that you kept from earlier.
${view.whole ? '' : '\nA selection shows that its entries stand in the log as they are. It does not show that nothing was left out: only the whole log shows that.\n'}${missing > 0 ? `\nThe bundle lacks the proof of ${missing} changes of key: trust the newest key by itself.\n` : ''}
## What is in it

| file | |
|---|---|
| \`bundle.json\` | what was exported |
| \`checkpoint\` | the head |
| \`vkeys\`, ${view.policy === null ? '' : '`policy`, '}\`rates.yaml\` | public keys, ${view.policy === null ? '' : 'witnesses and quorum, '}what models cost (told by the exporter, under no signature) |
${
  view.whole
    ? `| \`checkpoints.log\` | heads published so far, a JSON string a line |
| \`tile/entries/…\` | entries, each behind its length in two octets, 256 a file (C2SP tlog-tiles) |
| \`tile/0/…\`, \`tile/1/…\` | hashes of the tree |`
    : `| \`entries/…\` | entries, each with the octets that were hashed |
| \`proofs/…\` | their inclusion proofs (C2SP tlog-proof) |
${rotations > 0 ? '| `rotations/…` | entries by which keys took over, each proved under a head that both keys signed |' : ''}`.trimEnd()
}
${view.withPayloads ? '| `payloads.jsonl` | payloads beside the log, each with its salt: SHA-256(salt ‖ payload) stands in the entry |\n' : ''}${page ? '| `index.html` | a page that shows and checks all of it, without a network |\n' : ''}
The same log, exported again under the same head with the same version of ifctl, gives the same file, octet by octet: its SHA-256 may be compared with somebody else's.

## Check it with ifctl

    ifctl witness verify BUNDLE.zip --vkey KEY
    ifctl witness import BUNDLE.zip --vkey KEY --into FOLDER
    ifctl witness query --ledger FOLDER
${view.whole ? '' : '    ifctl witness prove --check proofs/NUMBER.tlog-proof --leaf entries/NUMBER.json --vkey KEY\n'}
With \`--all\` the form of every entry is checked as well, and what lies beside the entries${view.whole ? ', and whether calls lack entries' : ''}. \`--policy FILE\` asks for the witnesses' cosignatures: bring the policy, too, from elsewhere.

| exit code | means | next |
|---|---|---|
| 0 valid | all of it fits, under that key | a bundle does not show what came after it, nor what was cut off before it was made: hold it against a checkpoint that you kept, or that a witness has (\`--checkpoint FILE\`) |
| 10 truncated | entries, or a part of the file, are missing at the end | keep what shows it; ask for the whole |
| 11 altered | something was changed, moved or put in; it is named | keep the file; ask for another copy, and compare |
| 12 forked | the key signed two stories | keep both heads: together they prove it |
| 13 unwitnessed | not signed by that key, or by too few witnesses | compare the key; rely on nothing here until it is |
| 14 incomplete | nothing was changed, but something is missing | ask what became of it |
${
  page
    ? `
## Check it with the page

Open \`index.html\` in a browser and give it the key. It is a program from whoever made this bundle: where you do not trust them, compare the SHA-256 of the bundle, or use your own
copy of ifctl.
`
    : ''
}
## Check it by hand

The signature of the head, in the unpacked bundle, with the key that you trust in place of the last line of \`vkeys\`:

\`\`\`sh
tail -n 1 vkeys | cut -d+ -f3- | base64 -d | tail -c 32 > key.raw
(printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'; cat key.raw) > key.der
sed '/^$/,$d' checkpoint > head.txt
grep -F -- "— $(head -n 1 checkpoint) " checkpoint | tail -n 1 | cut -d' ' -f3 | base64 -d | tail -c 64 > head.sig
openssl pkeyutl -verify -pubin -inkey key.der -keyform DER -rawin -in head.txt -sigfile head.sig
\`\`\`

${view.whole ? wholeByHand : selectionByHand}`
}

const wholeByHand = `The hash of an entry is SHA-256 of one octet 0 and the entry. Of the first one:

\`\`\`sh
file=$(ls -d tile/entries/000 tile/entries/000.p/* 2>/dev/null | head -n 1)
length=$(head -c 2 "$file" | od -An -tu1 | awk '{ print $1 * 256 + $2 }')
(printf '\\000'; tail -c +3 "$file" | head -c "$length") | sha256sum
\`\`\`

It stands as \`prev\` in the second one, and as the first 32 octets of the first tile in \`tile/0\`. The hash over two neighbours is SHA-256 of one octet 1 and their hashes, left
one first; the hashes over 256 neighbours stand in \`tile/1\`, and so on; the last one is the root, in the third line of \`checkpoint\`.
`

const selectionByHand = `An entry and its proof, with the number of the entry in 12 digits for \`NUMBER\`; what it prints has to be the third line of \`checkpoint\`:

\`\`\`sh
n=NUMBER
file=proofs/$n.tlog-proof
index=$(sed -n 's/^index //p' "$file")
last=$(($(sed -n '2p' checkpoint) - 1))
(printf '\\000'; cat "entries/$n.json") | openssl dgst -sha256 -binary > hash.bin
sed '1,2d; /^$/,$d' "$file" | while read -r sibling; do
  printf '%s' "$sibling" | base64 -d > sibling.bin
  if [ $((index % 2)) -eq 1 ] || [ "$index" -eq "$last" ]; then
    (printf '\\001'; cat sibling.bin hash.bin) | openssl dgst -sha256 -binary > next.bin
    while [ $((index % 2)) -eq 0 ] && [ "$index" -ne 0 ]; do index=$((index / 2)) last=$((last / 2)); done
  else
    (printf '\\001'; cat hash.bin sibling.bin) | openssl dgst -sha256 -binary > next.bin
  fi
  mv next.bin hash.bin
  index=$((index / 2)) last=$((last / 2))
done
base64 < hash.bin
\`\`\`
`
