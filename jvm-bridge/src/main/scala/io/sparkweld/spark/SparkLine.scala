package io.sparkweld
package spark

/**
 * Exposes all that SparkWeld uses of Spark beyond its stable API and the Catalyst classes that are alike in all lines.
 *
 * {{{
 *   io/sparkweld/spark/          the interface, and what is the same in every line
 *   org/apache/spark/.../        forwards private members of Spark, for the code above alone
 *   ../spark-4.1+/ ...           CurrentSpark and its base classes: what differs between lines, by the lines that have it
 * }}}
 *
 * The build compiles the common sources with the folders of one line. Each line has the same public names: `BuiltFor`, `CurrentSpark`,
 * which implements this trait, and base classes for subclasses of Spark's own, such as `ConfiguredParquet`. No other code may differ
 * by line.
 */
trait SparkLine extends SparkCore with SparkPython with SparkPlans with SparkExpressions with SparkColumns with SparkMl
