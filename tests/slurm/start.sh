#!/usr/bin/env bash
# Start a real Slurm on this machine: two CPU nodes and one node with a GPU that is /dev/null.
# For tests, as root on Debian or Ubuntu; says what is missing and ends with 77 where it cannot.
# usage: start.sh [stop]
set -euo pipefail

state=/var/lib/liverseg-slurm
stop() {
  for pid in "$state"/*.pid; do
    [ -f "$pid" ] || continue
    number=$(cat "$pid")
    kill "$number" 2>/dev/null || true
    for _ in $(seq 100); do kill -0 "$number" 2>/dev/null || break; sleep 0.1; done
    rm -f "$pid"
  done
}
if [ "${1:-}" = stop ]; then stop; exit 0; fi

cannot() { echo "no Slurm here: $1" >&2; exit 77; }
[ "$(id -u)" = 0 ] || cannot "it needs root"
if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
  command -v apt-get >/dev/null || cannot "it needs apt-get"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm munge; } \
    >/dev/null 2>&1 || cannot "slurm-wlm and munge could not be installed"
fi
if [ -f /etc/slurm/slurm.conf ] && ! grep -q '^ClusterName=liverseg$' /etc/slurm/slurm.conf; then
  cannot "/etc/slurm/slurm.conf belongs to another cluster"
fi

stop
rm -rf "$state"
mkdir -p "$state/ctld" /etc/slurm
host=$(hostname -s)
# A requeued job waits as long as a credential lives: 120 s if nothing is said (cred_expire).
cores=$(( $(nproc) > 2 ? $(nproc) : 2 ))
cat > /etc/slurm/slurm.conf <<CONF
ClusterName=liverseg
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$state/munge.socket,cred_expire=10
JobCompType=jobcomp/filetxt
JobCompLoc=$state/jobs.txt
StateSaveLocation=$state/ctld
SlurmdSpoolDir=$state/%n
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/%n.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/%n.log
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu
JobRequeue=1
ReturnToService=2
KillWait=5
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=1
MinJobAge=300
NodeName=cpu1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17001 CPUs=$cores RealMemory=64000
NodeName=cpu2 NodeHostname=$host NodeAddr=127.0.0.1 Port=17002 CPUs=$cores RealMemory=64000
NodeName=gpu1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17003 CPUs=$cores RealMemory=64000 Gres=gpu:1
PartitionName=cpu Nodes=cpu1,cpu2 Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=gpu1 MaxTime=INFINITE State=UP
CONF
echo "NodeName=gpu1 Name=gpu File=/dev/null" > /etc/slurm/gres.conf

# munge refuses keys and folders that others can write to
mkdir -p /etc/munge
[ -f "$state/munge.key" ] || { head -c 1024 /dev/urandom > "$state/munge.key"; chmod 600 "$state/munge.key"; }
munged --force --key-file="$state/munge.key" --socket="$state/munge.socket" \
  --pid-file="$state/munged.pid" --log-file="$state/munged.log" --seed-file="$state/munge.seed"
slurmctld
for node in cpu1 cpu2 gpu1; do slurmd -N "$node"; done
for _ in $(seq 60); do
  if [ "$(sinfo -h -N -o '%T' 2>/dev/null | grep -c idle)" = 3 ]; then
    echo "Slurm: 3 nodes ready"
    exit 0
  fi
  sleep 0.5
done
sinfo -N -l >&2 || true
cannot "the nodes did not come up; see $state/*.log"
