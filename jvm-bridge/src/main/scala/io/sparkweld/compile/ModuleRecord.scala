package io.sparkweld
package compile

import java.io.IOException
import java.nio.file.{Files, Path, Paths}
import java.util.concurrent.TimeUnit

import io.sparkweld.contract.{Dependencies, UserModule}

/**
 * Lists the modules and libraries that the functions of a program import, as found by the compile service.
 *
 * @param searched the folders and archives where a module would be found first, with the times of their last change
 * @param libraries the versions of distributions, and of Python itself
 */
final case class ModuleRecord(modules: Seq[UserModule], searched: Seq[(String, Long)], libraries: Map[String, String]) {

  /** Whether the functions depend on no user module. */
  def isEmpty: Boolean = modules.isEmpty

  /** Whether no file of a module has changed on this machine. */
  def untouched: Boolean =
    modules.forall(module => module.path.isEmpty || ModuleRecord.state(Paths.get(module.path)) == ((module.bytes, module.modified)))

  /** Whether no new file can precede one of them on the import path. */
  def foundFirst: Boolean = searched.forall { case (path, modified) => ModuleRecord.state(Paths.get(path))._2 == modified }
}

object ModuleRecord {
  val Empty: ModuleRecord = ModuleRecord(Nil, Nil, Map.empty)

  /** Returns the record in a reply. */
  def of(found: Dependencies): ModuleRecord = ModuleRecord(found.modules.getOrElse(Nil),
    found.searched.getOrElse(Nil).map(entry => entry.path -> entry.modified), found.libraries.getOrElse(Map.empty))

  /** Returns size and time of a file; -1 when there is none. */
  private[compile] def state(path: Path): (Long, Long) =
    try {
      (Files.size(path), Files.getLastModifiedTime(path).to(TimeUnit.NANOSECONDS))
    } catch { case _: IOException => (-1L, -1L) }
}
