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
		file: "dispatcher/begin.go", text: "	presence, err := l.d.presence(ctx, live)\n	if err != nil {", instead: "	presence, err := l.d.presence(ctx, live)\n	presence = provision.Gone\n	if err != nil {",
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
	{
		rule: "an outcome without an owner is settled, and its request called back",
		file: "dispatcher/unowned.go", text: "	return true, d.Store.Recall(", instead: "	return true, nil\n	return true, d.Store.Recall(",
		pkg: "dispatcher", test: "TestAnOutcomeWithoutAnOwnerIsSettledAndItsRequestCalledBack",
	},
	{
		rule: "what a killed dispatcher left is picked up at the start",
		file: "dispatcher/pickup.go", text: "		if held[record.Key] || d.holds(record.Key) {", instead: "		if true {",
		pkg: "dispatcher", test: "TestWhatAKilledDispatcherLeftIsPickedUpAtTheStart",
	},
	{
		rule: "a lowered quota holds for what had been delivered",
		file: "dispatcher/slots.go", text: "	return before >= limit, err", instead: "	return before > limit+1000, err",
		pkg: "dispatcher", test: "TestALoweredQuotaHoldsForWhatHadBeenDelivered",
	},
	{
		rule: "beats are no announcement",
		file: "dispatcher/clocks.go", text: "now.Sub(l.watching)+l.waited > multinode.StartDeadline", instead: "silent > multinode.StartDeadline",
		pkg: "dispatcher", test: "TestBeatsAreNoAnnouncement",
	},
	{
		rule: "no adopter counts the time of code anew a second time",
		file: "dispatcher/clocks.go", text: "	case live.DoubtedAt != nil:\n		l.runsSince, l.adopted = now.Add(-l.since(*live.DoubtedAt)), true", instead: "	case live.DoubtedAt != nil:\n		l.runsSince = now",
		pkg: "dispatcher", test: "TestNoAdopterCountsTheTimeOfCodeAnewASecondTime",
	},
	{
		rule: "a wide cancel lets others have their turn",
		file: "dispatcher/cancel.go", text: "			if *left--; *left < 0 {", instead: "			if *left--; false {",
		pkg: "dispatcher", test: "TestAWideCancelLetsOthersHaveTheirTurn",
	},
	{
		rule: "a worker's key does not cross generations of its project",
		file: "gateway/auth.go", text: "	if c.grant.Generation != \"\" && c.grant.Generation != p.Generation {", instead: "	if false {",
		pkg: "gateway", test: "TestAWorkersKeyDoesNotCrossGenerations",
	},
	{
		rule: "what a woken preparer leaves of a project that has gone is removed",
		file: "streams/strays.go", text: "		if live[each.generation] {", instead: "		if live[each.generation] || removed == 0 {",
		pkg: "streams", test: "TestWhatAWokenPreparerLeavesIsRemoved",
	},
}
