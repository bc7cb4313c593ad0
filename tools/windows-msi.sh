#!/usr/bin/env bash
# windows-msi.sh PROGRAMS VERSION OUT: makes and signs the installer. PROGRAMS: folder of the signed programs; VERSION: YY.MMDD.build;
# OUT: the .msi. HALO_CLOUD_URL: where Halo Cloud is, when CLOUD_URL is not said on the command line of msiexec, and
# HALO_CLOUD_ENVIRONMENT: whose that cloud is (production, when it is not said): for another ENVIRONMENT, CLOUD_URL must be said. HALO_FOR_WINE=1: one that
# Wine can upgrade, for tests alone.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/tools/setup.sh"
need_apt wixl msitools
programs=$1 version=$2 out=$(realpath -m "$3")

# MSI compares three numbers, of which the first two end at 255: 26.1123.1 is 26.11.23001.
IFS=. read -r year day build <<<"$version"
if [ "$build" -gt 999 ]; then
    say "the build number of $version is over 999 and does not fit an MSI version"
    exit 1
fi
msi_version=$year.$((10#$day / 100)).$((10#$day % 100 * 1000 + build))

updater=no
[ ! -f "$programs/updater.exe" ] || updater=yes
# wixl wants the files beside it.
(cd "$programs" && wixl -D Version="$msi_version" -D Updater=$updater -o "$out" "$here/windows/halo-link.wxs")

sql() { msibuild "$out" -q "$1"; }
# What it really is: the updater reads this one first.
sql "INSERT INTO \`Property\` (\`Property\`,\`Value\`) VALUES ('HaloLinkVersion','$version')"
# What the command line says must reach the part of msiexec that runs as the system. wixl does not know the attribute for it.
said="ENVIRONMENT;CLOUD_URL;CLOUD_CA;PROXY;PMS;PMS_ID;PRACTICE_NAME;DATABASE_KIND;DATABASE_HOSTNAME;DATABASE_PATH;KEEP_IDENTITY"
sql "UPDATE \`Property\` SET \`Value\`='WIX_DOWNGRADE_DETECTED;WIX_UPGRADE_DETECTED;COMPANYDIR;INSTALLDIR;PROGRAMFILES64;$said' WHERE \`Property\`='SecureCustomProperties'"
# Small letters: properties that a command line can't change.
if [ -n "${HALO_CLOUD_URL:-}" ]; then
    case "${HALO_CLOUD_ENVIRONMENT:=production}" in
        production | stage | demo) ;;
        *) say "HALO_CLOUD_ENVIRONMENT is $HALO_CLOUD_ENVIRONMENT: it must be production, stage or demo"; exit 1 ;;
    esac
    sql "INSERT INTO \`Property\` (\`Property\`,\`Value\`) VALUES ('BuiltInCloud','$HALO_CLOUD_URL')"
    sql "INSERT INTO \`Property\` (\`Property\`,\`Value\`) VALUES ('BuiltInEnvironment','$HALO_CLOUD_ENVIRONMENT')"
fi
sql "UPDATE \`CustomAction\` SET \`Type\`=51 WHERE \`Action\`='Choose64'"
# #% makes it a value that Windows expands; wixl would write the # twice.
sql "UPDATE \`Registry\` SET \`Value\`='#%%SystemRoot%\\System32\\EventCreate.exe' WHERE \`Name\`='EventMessageFile'"
# The arguments of the set-up could hold a proxy's password: 0x2000 keeps them out of the log.
sql "UPDATE \`CustomAction\` SET \`Type\`=11282 WHERE \`Action\`='SetUp'"
# What the log says when the set-up refuses: it can't hand its own words to msiexec.
why="Halo Link can not be installed here, and nothing was changed. The reason is in the event log (Application, source Halo Link), and HaloLinkUtility setup --check says it too. [1] [2] [3] [4]"
sql "INSERT INTO \`Error\` (\`Error\`,\`Message\`) VALUES (1722,'$why')"
if [ -n "${HALO_FOR_WINE:-}" ]; then
    # Windows tells the old version that it is removed by an upgrade (UPGRADINGPRODUCTCODE); Wine passes on what stands here, and no more.
    sql "UPDATE \`Upgrade\` SET \`Remove\`='ALL UPGRADINGPRODUCTCODE=1' WHERE \`ActionProperty\`='WIX_UPGRADE_DETECTED'"
fi
"$here/tools/windows-sign.sh" "$out"
