package io.sparkweld
package spark

/**
 * States which Spark a jar runs on. It refers to no class of Spark, so it also works on a Spark where the others cannot be loaded.
 *
 * @param line the line that the jar was built against, such as `4.3`
 * @param scalaLine the version of Scala in that Spark, such as `2.13`
 * @param tested whether all tests pass on this line; on another one the plugin is inactive, except for experiments
 * @param testedOnConnect whether that includes the tests of Connect servers
 */
abstract class SparkVersion(val line: String, val scalaLine: String, val tested: Boolean, val testedOnConnect: Boolean = true) {

  /** Whether the jar runs on this version of Spark, with the Scala that is loaded. */
  final def supports(version: String): Boolean = version.startsWith(line + ".") && loadedScala.startsWith(scalaLine + ".")

  final def loadedScala: String = scala.util.Properties.versionNumberString
}
