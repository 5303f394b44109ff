/*
 * Abstract two-phase commit, after Gray and Lamport, "Consensus on Transaction Commit" (2006):
 * state by state and step by step the system in tests/systems/two_phase_commit.rs, for SPIN.
 *
 *   spin -DMANAGERS=9 -a two_phase_commit.pml
 *
 * One process and a few bits, every step a d_step that returns to the same place: SPIN's state is
 * as small as it gets, and it stores what the engine stores.
 */
#ifndef MANAGERS
#define MANAGERS 3   /* at most 10 */
#endif
#define EVERYONE ((1 << MANAGERS) - 1)

/* A bit for each resource manager. */
unsigned sent     : MANAGERS;   /* it sent "I am prepared" */
unsigned received : MANAGERS;   /* ... and the transaction manager has received it */
unsigned low      : MANAGERS;   /* its state: working 0 0, prepared 0 1, */
unsigned high     : MANAGERS;   /* committed 1 0, aborted 1 1 */

bool done, commit, abort;       /* the transaction manager, and the two messages it sends to all */

#define consistent (!(high & ~low) || !(high & low))

#define MANAGER(rm) \
    :: d_step { !done && (sent & 1 << rm) -> received = received | 1 << rm } \
    :: d_step { !((high | low) & 1 << rm) -> low = low | 1 << rm; sent = sent | 1 << rm } \
    :: d_step { !((high | low) & 1 << rm) -> \
                high = high | 1 << rm; low = low | 1 << rm; assert(consistent) } \
    :: d_step { commit -> high = high | 1 << rm; low = low & ~(1 << rm); assert(consistent) } \
    :: d_step { abort -> high = high | 1 << rm; low = low | 1 << rm; assert(consistent) }

active proctype system()
{
    do
    :: d_step { !done && received == EVERYONE -> done = true; commit = true }
    :: d_step { !done -> done = true; abort = true }
    MANAGER(0)
#if MANAGERS > 1
    MANAGER(1)
#endif
#if MANAGERS > 2
    MANAGER(2)
#endif
#if MANAGERS > 3
    MANAGER(3)
#endif
#if MANAGERS > 4
    MANAGER(4)
#endif
#if MANAGERS > 5
    MANAGER(5)
#endif
#if MANAGERS > 6
    MANAGER(6)
#endif
#if MANAGERS > 7
    MANAGER(7)
#endif
#if MANAGERS > 8
    MANAGER(8)
#endif
#if MANAGERS > 9
    MANAGER(9)
#endif
    od
}
