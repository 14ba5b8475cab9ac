/** An example of a command, as it would be typed. */
export interface Example {
  readonly line: string
  /** What is to be seen in it. */
  readonly note?: string
  /** Exit code, where it is not 0. */
  readonly exit?: number
  /** Asks a suite that runs. */
  readonly suite?: true
  /** Why it is not run by the test of the examples, and what tests the command instead. */
  readonly elsewhere?: string
}

const goesOn = (test: string): Pick<Example, 'elsewhere'> => ({ elsewhere: `goes on until it is stopped: ${test}` })
const needsCall = (test: string): Pick<Example, 'elsewhere'> => ({ elsewhere: `needs a call under way: ${test}` })
const needsNdi: Pick<Example, 'elsewhere'> = {
  elsewhere: 'needs the NDI runtime and a source on the air: cli/commands/ndi/ndi.test.ts'
}

/**
 * Examples of every command, by its words: for its help, for docs/cli.md, and run in this order by cli/examples.test.ts on the folder that
 * cli/testing/example-folder.ts makes.
 */
export const examples: Readonly<Record<string, readonly Example[]>> = {
  up: [
    { line: 'ifctl up --data ./var', note: 'the whole suite, until Ctrl-C', ...goesOn('cli/commands/up.test.ts') },
    { line: 'ifctl up --config suite.yaml --json', note: 'one event a line', ...goesOn('cli/commands/up.test.ts') }
  ],
  edge: [
    {
      line: 'ifctl edge --config suite.yaml',
      note: 'where applications have edge: external and name it in trustedEdges',
      ...goesOn('cli/commands/edge.test.ts')
    }
  ],
  'sip-server': [
    {
      line: 'ifctl sip-server --config server.yaml',
      note: 'for drachtio-srf applications, without the suite',
      ...goesOn('cli/commands/sip-server.test.ts')
    },
    {
      line: 'ifctl sip-server --listen udp:127.0.0.1:5060 --admin 127.0.0.1:9022 --secret-file secret --check',
      note: 'only the problems of the settings'
    }
  ],
  'sip-server import': [{ line: 'ifctl sip-server import drachtio.conf.xml', note: 'settings on stdout' }],
  escalate: [
    {
      line: 'ifctl escalate safety --contrarian --key case-42',
      note: 'calls experts into the council; shows every step',
      ...needsCall('deploy/escalation/escalation.test.ts')
    },
    { line: 'ifctl escalate bias --parallel --detach', ...needsCall('deploy/escalation/escalation.test.ts') }
  ],
  'escalate list': [
    { line: 'ifctl escalate list', suite: true },
    { line: 'ifctl escalate list --json', note: 'for a script: all that is known of each', suite: true }
  ],
  'escalate show': [
    { line: 'ifctl escalate show 0af7651916cd43dd8448eb211c80319c', ...needsCall('deploy/escalation/escalation.test.ts') }
  ],
  'escalate bridges': [{ line: 'ifctl escalate bridges', suite: true }],
  'escalate retry': [
    {
      line: 'ifctl escalate retry 0af7651916cd43dd8448eb211c80319c h323 guardian-1',
      note: 'the room is reachable again',
      ...needsCall('deploy/escalation/call-bridges.test.ts')
    }
  ],
  'escalate hold': [
    { line: 'ifctl escalate hold 0af7651916cd43dd8448eb211c80319c', ...needsCall('deploy/escalation/escalation.test.ts') }
  ],
  'escalate resume': [
    { line: 'ifctl escalate resume 0af7651916cd43dd8448eb211c80319c', ...needsCall('deploy/escalation/escalation.test.ts') }
  ],
  'escalate cancel': [
    { line: 'ifctl escalate cancel 0af7651916cd43dd8448eb211c80319c', ...needsCall('deploy/escalation/escalation.test.ts') }
  ],
  'conference list': [
    { line: 'ifctl conference list', suite: true },
    { line: 'ifctl conference list --json', note: 'with everybody in them', suite: true }
  ],
  'conference show': [
    {
      line: 'ifctl conference show council',
      note: 'by H.323, SIP or WebRTC',
      ...needsCall('cli/commands/conference/floor.test.ts')
    }
  ],
  'conference mute': [
    { line: 'ifctl conference mute council expert-safety', ...needsCall('cli/commands/conference/floor.test.ts') }
  ],
  'conference unmute': [
    { line: 'ifctl conference unmute council expert-safety', ...needsCall('cli/commands/conference/floor.test.ts') }
  ],
  'conference role': [
    { line: 'ifctl conference role council expert-safety observer', ...needsCall('cli/commands/conference/floor.test.ts') }
  ],
  'conference volume': [
    { line: 'ifctl conference volume council expert-safety --heard -6', ...needsCall('cli/commands/conference/floor.test.ts') }
  ],
  'conference lock': [{ line: 'ifctl conference lock council', ...needsCall('cli/commands/conference/floor.test.ts') }],
  'conference unlock': [
    { line: 'ifctl conference unlock council', exit: 1, note: 'the lock went with the last participant', suite: true }
  ],
  'conference announce': [
    {
      line: 'ifctl conference announce council break.wav',
      note: 'to all; --to PARTICIPANT for one',
      ...needsCall('cli/commands/conference/floor.test.ts')
    }
  ],
  'h323 decode': [
    { line: 'ifctl h323 decode call.pcap', note: 'the H.323 in a capture, message by message' },
    { line: 'ifctl h323 decode --as ras 0e00000600', exit: 1, note: 'hex; what cannot be decoded is told by its path and bit' }
  ],
  'h323 dial': [
    {
      line: 'ifctl h323 dial guardian-1 --gatekeeper 127.0.0.1:1719',
      note: 'register, call, play a tone, tell what is heard',
      elsewhere: 'needs a gatekeeper and a terminal: cli/commands/h323/dial.test.ts'
    }
  ],
  'h323 endpoints': [
    { line: 'ifctl h323 endpoints', suite: true },
    { line: 'ifctl h323 endpoints --json', note: 'with their addresses of signalling', suite: true }
  ],
  'h323 calls': [
    { line: 'ifctl h323 calls', suite: true },
    { line: 'ifctl h323 calls --drop 12', note: 'ends one', ...needsCall('cli/commands/h323/suite.test.ts') }
  ],
  'h323 conference invite': [
    { line: 'ifctl h323 conference invite council guardian-1', ...needsCall('cli/commands/h323/suite.test.ts') }
  ],
  'h323 conference drop': [
    { line: 'ifctl h323 conference drop council h323:2', ...needsCall('cli/commands/h323/suite.test.ts') }
  ],
  'h323 conference withdraw-chair': [{ line: 'ifctl h323 conference withdraw-chair council', ...needsCall('gateways/h323/mcu') }],
  'ndi find': [{ line: 'ifctl ndi find --address 192.0.2.7', note: 'by multicast DNS, and of that machine', ...needsNdi }],
  'ndi send': [{ line: 'ifctl ndi send Council --attest', note: 'every frame provable from the ledger', ...needsNdi }],
  'ndi receive': [{ line: 'ifctl ndi receive Council', ...needsNdi }],
  'ndi record': [{ line: 'ifctl ndi record Council --out council.ndi --seconds 60', ...needsNdi }],
  'ndi verify': [{ line: 'ifctl ndi verify council.ndi', ...needsNdi }],
  'ndi ingest': [{ line: "ifctl ndi ingest 'STUDIO (Camera*)' --conference council", ...needsNdi }],
  'ndi publish': [{ line: 'ifctl ndi publish council', ...needsNdi }],
  'ndi streams': [{ line: 'ifctl ndi streams', ...needsNdi }],
  'ndi stop': [{ line: 'ifctl ndi stop council', ...needsNdi }],
  'guard explain': [{ line: 'ifctl guard explain 0af7651916cd43dd8448eb211c80319c' }],
  'guard replay': [
    { line: 'ifctl guard replay 0af7651916cd43dd8448eb211c80319c', note: 'from the receipt in the ledger' },
    { line: 'ifctl guard replay 0af7651916cd43dd8448eb211c80319c --rules rules.cedar', note: 'what these rules would have said' }
  ],
  'guard policy check': [{ line: 'ifctl guard policy check rules.cedar' }],
  'guard policy test': [{ line: 'ifctl guard policy test table.yaml --rules rules.cedar' }],
  'guard policy show': [{ line: 'ifctl guard policy show' }],
  'guard registry check': [{ line: 'ifctl guard registry check registry.yaml' }],
  'guard registry list': [{ line: 'ifctl guard registry list --specialisation safety' }],
  'guard keygen': [{ line: 'ifctl guard keygen --out expert.pem', note: 'prints the public key for the registry' }],
  'guard sign': [
    {
      line: 'ifctl guard sign --key expert.pem --from sip:expert-safety@external.advisor --to sip:council-safety@council.example --call-id x@y --cseq 2 --hazard safety'
    }
  ],
  'expert invite': [{ line: 'ifctl expert invite expert-safety --server sip.council.example:5061 --qr' }],
  'expert list': [{ line: 'ifctl expert list --all' }],
  'expert revoke': [{ line: "ifctl expert revoke expert-safety --reason 'phone lost'" }],
  'witness log': [
    {
      line: `ifctl witness log --event model_called --component IF.agent --trace T --model gpt-5 --tokens-in 1200 --tokens-out 300`
    },
    {
      line: `ifctl witness log --event vote --component IF.council --payload '{"for": 12, "against": 3}' --key vote-7`,
      note: 'written once, however often'
    }
  ],
  'witness query': [
    { line: 'ifctl witness query --component IF.guard --since 1h' },
    { line: 'ifctl witness query --trace T --json', note: 'one entry a line' },
    { line: 'ifctl witness query --event policy_decision --follow', ...goesOn('cli/commands/witness/witness.test.ts') }
  ],
  'witness trace': [
    { line: 'ifctl witness trace T', note: 'traces under it are indented' },
    { line: 'ifctl witness trace 0af7651916cd43dd8448eb211c80319c --time utc' }
  ],
  'witness verify': [
    { line: 'ifctl witness verify' },
    { line: 'ifctl witness verify --vkey log.vkey --checkpoint kept.note', note: 'shows truncation and forks' },
    { line: 'ifctl witness verify --all --json' }
  ],
  'witness key': [{ line: 'ifctl witness key' }],
  'witness serve': [{ line: 'ifctl witness serve --listen 127.0.0.1:8620', ...goesOn('cli/commands/witness/serve.test.ts') }],
  'witness token add': [{ line: 'ifctl witness token add auditor-1 --role auditor', note: 'shown this once' }],
  'witness token list': [{ line: 'ifctl witness token list' }],
  'witness token revoke': [{ line: 'ifctl witness token revoke 5f1c2a9b' }],
  'witness checkpoint': [{ line: 'ifctl witness checkpoint', note: 'keep it where the operator cannot change it' }],
  'witness prove': [
    { line: 'ifctl witness prove 42 --out entry-42.tlog-proof' },
    { line: 'ifctl witness prove --check entry-42.tlog-proof --vkey log.vkey', note: 'offline' }
  ],
  'witness export': [
    { line: 'ifctl witness export --format csv --component IF.guard --out guard.csv' },
    { line: 'ifctl witness export --format json --since 1d' },
    { line: 'ifctl witness export --format pdf --out ledger.pdf' },
    { line: 'ifctl witness export --format bundle --out evidence.zip', note: 'for an auditor: entries, proofs, keys, a page' }
  ],
  'witness import': [{ line: 'ifctl witness import evidence.zip --vkey log.vkey --into case-1' }],
  'witness cosign': [
    {
      line: 'ifctl witness cosign --create --key seat.pem --state seat.db --name guardian-1.example/seat --vkey log.vkey --checkpoint kept.note --ledger var/ledger'
    },
    {
      line: 'ifctl witness cosign --key seat.pem --state seat.db --name guardian-1.example/seat --vkey log.vkey --serve 127.0.0.1:8101',
      ...goesOn('cli/commands/witness/cosign.test.ts')
    }
  ],
  'witness rotate-key': [{ line: 'ifctl witness rotate-key' }],
  'witness erase': [{ line: "ifctl witness erase --entry 42 --reason 'asked for'", note: 'the entry and its proofs stay' }],
  'witness cost': [{ line: 'ifctl witness cost --trace T --group-by model' }],
  'evidence share': [
    {
      line: 'ifctl evidence share call.pcap --trace 0af7651916cd43dd8448eb211c80319c',
      ...needsCall('deploy/evidence/evidence.test.ts')
    }
  ],
  'evidence list': [{ line: 'ifctl evidence list --trace 0af7651916cd43dd8448eb211c80319c', suite: true }],
  'evidence erase': [
    { line: "ifctl evidence erase 5f1c2a9b --reason 'asked for'", ...needsCall('deploy/evidence/evidence.test.ts') }
  ],
  'council invite': [
    { line: 'ifctl council invite guardian-1', note: 'a link: who has it joins by browser', suite: true },
    { line: 'ifctl council invite guardian-2 --as agent', note: 'for a program that acts for the party', suite: true }
  ],
  'council join': [
    {
      line: "ifctl council join 'https://council.example/#seat' --say words.wav --seconds 60",
      note: 'what a program that sits there for a party does; the link is of council invite --as agent',
      ...goesOn('deploy/webrtc/agent.test.ts')
    }
  ],
  'council seats': [
    { line: 'ifctl council seats', suite: true },
    { line: 'ifctl council seats --json', note: 'for a script that waits for somebody', suite: true }
  ],
  'council revoke': [{ line: 'ifctl council revoke guardian-1', suite: true }],
  'council votes': [{ line: 'ifctl council votes --conference council', suite: true }],
  'recording status': [{ line: 'ifctl recording status', suite: true }],
  'recording start': [{ line: 'ifctl recording start council', ...needsCall('deploy/media/recording.test.ts') }],
  'recording stop': [{ line: 'ifctl recording stop council', ...needsCall('deploy/media/recording.test.ts') }],
  'recording list': [{ line: 'ifctl recording list' }, { line: 'ifctl recording list --json', note: 'one object a line' }],
  'recording export': [
    { line: 'ifctl recording export council-20261121t160000z-00000001 --format wav --out council.wav' },
    {
      line: 'ifctl recording export council-20261121t160000z-00000001 --format vcon --out council.vcon.json --domain council.example'
    }
  ],
  'recording excerpt': [{ line: 'ifctl recording excerpt council-20261121t160000z-00000001 --from 1 --to 2 --out excerpt' }],
  'recording verify': [
    { line: 'ifctl recording verify council-20261121t160000z-00000001', note: 'against the ledger' },
    { line: 'ifctl recording verify excerpt --vkey log.vkey', note: 'anywhere, without the ledger' }
  ],
  'optimise report': [{ line: 'ifctl optimise report --group-by component' }, { line: 'ifctl optimise report --trace-id T' }],
  'optimise budget': [
    { line: 'ifctl optimise budget --set 500 --period month' },
    { line: 'ifctl optimise budget', note: 'what is spent of it' }
  ],
  'optimise alerts': [
    { line: 'ifctl optimise alerts --exit-code', exit: 20, note: 'half of a budget is spent' },
    { line: 'ifctl optimise alerts --dry-run --json' }
  ],
  'optimise estimate': [{ line: 'ifctl optimise estimate --mbit 2 --minutes-per-day 60' }],
  'optimise rates': [{ line: 'ifctl optimise rates' }],
  'coordinator tasks list': [{ line: 'ifctl coordinator tasks list --status pending' }],
  'coordinator tasks add': [
    { line: 'ifctl coordinator tasks add T-1 --requires code.rust:0.5 --priority 8' },
    { line: `ifctl coordinator tasks add T-2 --depends-on T-1 --estimate 1.50 --input '{"page": 3}'` }
  ],
  'coordinator tasks claim': [
    { line: 'ifctl coordinator tasks claim T-1 --swarm alpha --lease 300', note: 'tells the fence that renews and completes it' }
  ],
  'coordinator tasks renew': [{ line: 'ifctl coordinator tasks renew T-1 --swarm alpha --fence 1 --lease 300' }],
  'coordinator tasks release': [{ line: 'ifctl coordinator tasks release T-3 --swarm alpha' }],
  'coordinator tasks complete': [
    { line: `ifctl coordinator tasks complete T-1 --swarm alpha --fence 1 --cost 0.42 --outcome '{"pages": 3}'` }
  ],
  'coordinator tasks fail': [{ line: "ifctl coordinator tasks fail T-4 --swarm alpha --fence 1 --reason 'the source is gone'" }],
  'coordinator tasks cancel': [{ line: "ifctl coordinator tasks cancel T-2 --reason 'no longer asked for'" }],
  'coordinator tasks status': [{ line: 'ifctl coordinator tasks status T-1' }],
  'coordinator tasks watch': [
    { line: 'ifctl coordinator tasks watch', note: 'what is kept of it' },
    { line: 'ifctl coordinator tasks watch --follow --json', ...goesOn('cli/commands/coordinator/coordinator.test.ts') }
  ],
  'coordinator swarms add': [{ line: 'ifctl coordinator swarms add beta --capabilities code.rust:0.8,law --heartbeat 30' }],
  'coordinator swarms heartbeat': [{ line: 'ifctl coordinator swarms heartbeat alpha' }],
  'coordinator swarms list': [{ line: 'ifctl coordinator swarms list --active' }],
  'coordinator swarms status': [{ line: 'ifctl coordinator swarms status alpha' }],
  'coordinator swarms tasks': [{ line: 'ifctl coordinator swarms tasks alpha' }],
  'coordinator stats': [{ line: 'ifctl coordinator stats --json' }],
  'coordinator latency benchmark': [{ line: 'ifctl coordinator latency benchmark --iterations 100' }],
  'coordinator health check': [{ line: 'ifctl coordinator health check' }],
  'coordinator eventbus status': [{ line: 'ifctl coordinator eventbus status' }],
  'coordinator eventbus watch': [
    { line: "ifctl coordinator eventbus watch 'task.**'" },
    { line: "ifctl coordinator eventbus watch 'swarm.**' --follow", ...goesOn('cli/commands/coordinator/coordinator.test.ts') }
  ],
  'governor capabilities list': [{ line: 'ifctl governor capabilities list' }],
  'governor capabilities match': [{ line: 'ifctl governor capabilities match T-3 --threshold 0.7', note: 'term by term' }],
  'governor capabilities swarm': [{ line: 'ifctl governor capabilities swarm alpha' }],
  'governor budget status': [{ line: 'ifctl governor budget status --swarm alpha' }],
  'governor budget set': [{ line: 'ifctl governor budget set --swarm alpha --limit 500' }],
  'governor budget history': [{ line: 'ifctl governor budget history --start-date 2026-01-01' }],
  'governor alerts list': [{ line: 'ifctl governor alerts list' }],
  'governor circuit status': [{ line: 'ifctl governor circuit status --component swarm.alpha' }],
  'governor circuit reset': [{ line: 'ifctl governor circuit reset swarm.alpha' }],
  'governor circuit config': [{ line: 'ifctl governor circuit config swarm.alpha --threshold 5' }],
  'governor policy list': [{ line: 'ifctl governor policy list' }],
  'governor policy apply': [{ line: 'ifctl governor policy apply policy.yaml' }],
  'governor policy validate': [{ line: 'ifctl governor policy validate policy.yaml' }],
  'governor policy test': [{ line: 'ifctl governor policy test --task T-3 --swarm alpha', note: 'nothing is claimed' }],
  'governor cost analyze': [{ line: 'ifctl governor cost analyze --group-by swarm' }],
  'governor waste report': [{ line: 'ifctl governor waste report' }],
  'governor recommendations': [{ line: 'ifctl governor recommendations' }],
  'chassis sandbox create': [
    { line: 'ifctl chassis sandbox create box --swarm alpha --wasm words.wasm --memory 32 --cpu 50 --read-only /in=texts' },
    { line: 'ifctl chassis sandbox create --swarm alpha', note: 'its name is told' }
  ],
  'chassis sandbox list': [{ line: 'ifctl chassis sandbox list --status created' }],
  'chassis sandbox start': [{ line: 'ifctl chassis sandbox start box --args /in/text --input words.txt --out words.out' }],
  'chassis sandbox stop': [
    { line: 'ifctl chassis sandbox stop box', elsewhere: 'needs a run under way: cli/commands/chassis/chassis.test.ts' }
  ],
  'chassis sandbox destroy': [{ line: 'ifctl chassis sandbox destroy old-box' }],
  'chassis sandbox logs': [{ line: 'ifctl chassis sandbox logs box' }],
  'chassis resources limits': [{ line: 'ifctl chassis resources limits box' }],
  'chassis resources usage': [{ line: 'ifctl chassis resources usage box --json' }],
  'chassis resources set': [{ line: 'ifctl chassis resources set box --cpu 25 --memory 64' }],
  'chassis credentials scope': [{ line: 'ifctl chassis credentials scope box --allow council --minutes 15 --uses 10' }],
  'chassis credentials revoke': [{ line: 'ifctl chassis credentials revoke box GRANT' }],
  'chassis credentials audit': [{ line: 'ifctl chassis credentials audit box' }],
  'chassis audit trail': [{ line: 'ifctl chassis audit trail box --export json' }],
  'chassis slo status': [{ line: 'ifctl chassis slo status --swarm alpha' }],
  'chassis slo set': [{ line: 'ifctl chassis slo set --swarm alpha --availability 99 --window 1440' }],
  'chassis slo violations': [{ line: 'ifctl chassis slo violations --since 1h' }],
  'chassis slo metrics': [{ line: 'ifctl chassis slo metrics', note: 'for Prometheus' }],
  'chassis reputation score': [{ line: 'ifctl chassis reputation score alpha' }],
  'chassis reputation history': [{ line: 'ifctl chassis reputation history alpha' }],
  completion: [
    { line: 'ifctl completion bash', note: 'for ~/.bashrc: source <(ifctl completion bash)' },
    { line: 'ifctl completion zsh', note: 'as _ifctl in a folder of $fpath' },
    { line: 'ifctl completion fish', note: 'as ~/.config/fish/completions/ifctl.fish' }
  ],
  mcp: [
    {
      line: 'ifctl mcp --data ./var --read-only',
      note: 'started by the agent’s program: see “AI agents” below',
      ...goesOn('cli/mcp/suite.test.ts')
    }
  ]
}

/** Those of one command. */
export const examplesOf = (words: readonly string[]): readonly Example[] => examples[words.join(' ')] ?? []
