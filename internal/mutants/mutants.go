package main

var mutants = []mutant{
	{
		rule: "a reaper stops workers of executions that have ended",
		file: "dispatcher/reap.go", text: "	workers, err := d.Provisioner.List(ctx)\n	if err != nil {", instead: "	workers, err := d.Provisioner.List(ctx)\n	workers = nil\n	if err != nil {",
		pkg: "dispatcher", test: "TestAWorkerThatIsDoneIsSweptUpByTheNextStart",
	},
	{
		rule: "the reaper asks for the record before it stops anything",
		file: "dispatcher/reap.go", text: "	return live, ok && live.ID == k.ID, nil", instead: "	_ = ok\n	return live, false, nil",
		pkg: "dispatcher", test: "TestTheReaperAsksTheLeaderBeforeItStopsAnything",
	},
	{
		rule: "an outcome is written once",
		file: "streams/store.go", text: "	outcomes.Discard, outcomes.DiscardNewPerSubject = jetstream.DiscardNew, true", instead: "	outcomes.Discard = jetstream.DiscardOld",
		pkg: "streams", test: "TestTheFirstOutcomeCounts",
	},
	{
		rule: "a verdict is void where an outcome is stored",
		file: "dispatcher/verdict.go", text: "	return l.settle(ctx, stored)\n}\n\n// interrupt has", instead: "	_ = stored\n	return l.settle(ctx, multinode.Outcome{Kind: kind})\n}\n\n// interrupt has",
		pkg: "dispatcher", test: "TestAVerdictThatComesAfterTheOutcomeIsVoid",
	},
	{
		rule: "adoption asks whether the worker lives",
		file: "dispatcher/begin.go", text: "	alive, err := l.d.workerAlive(ctx, live.ID)\n	if err != nil {", instead: "	alive, err := l.d.workerAlive(ctx, live.ID)\n	alive = false\n	if err != nil {",
		pkg: "dispatcher", test: "TestTheNextDispatcherAdoptsWhatRuns",
	},
	{
		rule: "what runs is adopted and not launched again, whatever the server counts",
		file: "dispatcher/begin.go", text: "	case errors.Is(err, multinode.ErrLive), err == nil && ended && !l.record.Status.Terminal():\n		return l.adopt(ctx)", instead: "	case errors.Is(err, multinode.ErrLive), err == nil && ended && !l.record.Status.Terminal():\n		l.hold(execution)\n		return l.launch(ctx)",
		pkg: "dispatcher", test: "TestWhatIsDeliveredAgainAsTheFirstTimeIsAdopted",
	},
	{
		rule: "an interrupt is said again until it is confirmed",
		file: "dispatcher/lease.go", text: "			l.remind()\n			done, err = l.checkTimeout", instead: "			done, err = l.checkTimeout",
		pkg: "dispatcher", test: "TestAnInterruptIsSaidAgain",
	},
	{
		rule: "an interrupt is the answer to a beat",
		file: "dispatcher/workers.go", text: "	return l.desired.Load().(multinode.Desired), true", instead: "	return multinode.Run, true",
		pkg: "dispatcher", test: "TestAnInterruptIsSaidAgain",
	},
	{
		rule: "what is to be tried again is put back, and not acknowledged",
		file: "dispatcher/settle.go", text: "	err := l.putBack(multinode.RetryDelay(l.record.FailedAttempts()))", instead: "	err := l.ack(ctx)",
		pkg: "dispatcher", test: "TestWhatIsToBeTriedAgainIsPutBack",
	},
	{
		rule: "a launch after the fence is not let in",
		file: "next.go", text: "	if x, ok := i.Live(); !ok || x.ID != id {", instead: "	if x, ok := i.Live(); !ok || x.ID == \"\" {",
		pkg: "dispatcher", test: "TestALaunchAfterTheFenceIsNotLetIn",
	},
	{
		rule: "a dispatcher that woke up past its lease keeps still",
		file: "dispatcher/renew.go", text: "	if gap > multinode.AckWait {", instead: "	if gap < 0 {",
		pkg: "dispatcher", test: "TestAWokenDispatcherDropsItsLeasesWithoutAWord",
	},
	{
		rule: "a late lease spares the execution that came after its own",
		file: "dispatcher/settle.go", text: "	if ok && latest.State != multinode.Ended {\n		return errDropped\n	}", instead: "",
		pkg: "dispatcher", test: "TestALeaseThatWakesUpLateSparesTheRetry",
	},
	{
		rule: "silence counts only while listening",
		file: "dispatcher/renew.go", text: "		l.watching = now // silence", instead: "		// silence",
		pkg: "dispatcher", test: "TestSilenceCountsOnlyWhileListening",
	},
	{
		rule: "a child is not launched where its ancestor was cancelled",
		file: "dispatcher/begin.go", text: "	if ended = ended || l.d.undeploying", instead: "	if ended = l.d.undeploying",
		pkg: "dispatcher", test: "TestAChildOfWhatIsBeingCancelledIsNotLaunched",
	},
	{
		rule: "a child that overtook its ancestor's cancel is not let in",
		file: "dispatcher/workers.go", text: "	if ended {\n		notice(l.look, struct{}{})\n		return nil\n	}\n", instead: "	_ = ended\n",
		pkg: "dispatcher", test: "TestAChildThatOvertakesItsParentsCancelIsNotLetIn",
	},
	{
		rule: "a child that runs finds its ancestor's cancel without a hint",
		file: "dispatcher/lease.go", text: "		if err != nil || !cancelled {", instead: "		if cancelled = false; err != nil || !cancelled {",
		pkg: "dispatcher", test: "TestAChildThatRunsFindsItsParentsCancelWithoutAHint",
	},
	{
		rule: "an ID is taken for as long as its request is kept",
		file: "streams/functions.go", text: "MaxMsgsPerSubject: 1, DiscardNewPerSubject: true,", instead: "MaxMsgsPerSubject: -1,",
		pkg: "streams", test: "TestAnIDIsStillTakenAfterTheWindowInWhichJetStreamRemembersMessages",
	},
	{
		rule: "a record stays smaller than a message: lineage",
		file: "streams/requests.go", text: "const maxLineage = 48 << 10", instead: "const maxLineage = 48 << 20",
		pkg: "streams", test: "TestALineageThatDoesNotFitIsRefused",
	},
	{
		rule: "an undeploy ends acceptance first",
		file: "streams/functions.go", text: "		config.Subjects = retired\n", instead: "		_ = retired\n",
		pkg: "dispatcher/model", test: "TestStartsThatRaceAnUndeploy",
	},
	{
		rule: "nothing is accepted where the disk is nearly full",
		file: "streams/pressure.go", text: "	cramped := room <= 0\n", instead: "	cramped := false && room <= 0\n",
		pkg: "streams", test: "TestADiskThatOthersFillStillSettlesAndAcceptsAgainOnceThereIsRoom",
	},
	{
		rule: "what was accepted can be settled in a full store",
		file: "streams/pressure.go", text: "	acceptUpTo = 0.8\n", instead: "	acceptUpTo = 2.0\n",
		pkg: "streams", test: "TestAFullStoreStillSettlesAndAcceptsAgainOnceThereIsRoom",
	},
	{
		rule: "a server that writes nothing more says so",
		file: "embedded/health.go", text: "		l.starved.Store(true)\n", instead: "",
		pkg: "embedded", test: "TestAServerThatWritesNothingMoreSaysSoOnceThereIsRoom",
	},
	{
		rule: "a flood of logs costs logs only",
		file: "streams/store.go", text: "Discard: jetstream.DiscardOld,\n		MaxAge:", instead: "Discard: jetstream.DiscardNew,\n		MaxAge:",
		pkg: "streams", test: "TestAFloodOfLogsCostsLogsOnly",
	},
	{
		rule: "an execution's log is bounded by the runner",
		file: "runner/logs.go", text: "	if b.kept > b.limits.LogBytes {", instead: "	if b.kept < 0 {",
		pkg: "runner", test: "TestLogCap",
	},
	{
		rule: "a record's time goes forward, whatever the clocks say",
		file: "next.go", text: "	if at.After(next.UpdatedAt) {\n		next.UpdatedAt = at\n	}\n", instead: "	next.UpdatedAt = at\n",
		pkg: "dispatcher", test: "TestAnAdopterWithAnotherClockSparesTheWorker",
	},
}
